/** Scoring in several threads. */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { MaskError, type MaskErrorCode } from '../../io/index.js';
import {
  EvaluationError,
  type EvaluationErrorCode,
  type SequenceScores,
  type SequenceTask,
} from '../../metrics/index.js';
import type { ScoreReply } from './score-worker.js';

/** The worker's bundle, beside this one or above its folder of chunks; undefined where sources run unbundled. */
function workerFile(): URL | undefined {
  const places = ['./score-worker.node.js', '../score-worker.node.js'].map((path) => new URL(path, import.meta.url));
  return places.find((place) => existsSync(place));
}

function errorOf({ type, code, subject, message }: Extract<ScoreReply, { error: unknown }>['error']): Error {
  if (type === 'evaluation') return new EvaluationError(code as EvaluationErrorCode, subject, message);
  if (type === 'mask') return new MaskError(code as MaskErrorCode, subject, message);
  return new Error(message);
}

/** Threads that score sequences, each one at a time. */
export class ScorePool {
  private readonly idle: Worker[] = [];
  private readonly all: Worker[] = [];

  private constructor(private readonly file: URL) {}

  /** @param file the worker's code; undefined if there is none, and then no pool either */
  static open(file: URL | undefined = workerFile()): ScorePool | undefined {
    return file && new ScorePool(file);
  }

  /** Scores a sequence in a thread that has nothing to do, or in a new one. Throws as `scoreSequence`. */
  async score(task: SequenceTask, signal?: AbortSignal): Promise<SequenceScores> {
    signal?.throwIfAborted();
    const worker = this.idle.pop() ?? this.start();
    let stop: (() => void) | undefined;
    try {
      const reply = await new Promise<ScoreReply>((resolve, reject) => {
        stop = () => reject(signal!.reason);
        signal?.addEventListener('abort', stop);
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.postMessage(task);
      });
      this.idle.push(worker);
      if ('error' in reply) throw errorOf(reply.error);
      return reply.scores;
    } finally {
      if (stop) signal?.removeEventListener('abort', stop);
      worker.removeAllListeners('error');
      worker.removeAllListeners('message');
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((worker) => worker.terminate()));
  }

  private start(): Worker {
    const worker = new Worker(this.file);
    this.all.push(worker);
    return worker;
  }
}
