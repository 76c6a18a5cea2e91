import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FarmError, isFarmError } from '../errors.js';
import type { JobSpec } from '../job/spec.js';
import { checkInputs, keyOf } from '../job/spec.js';
import { removeLatest } from '../ledger/chunk.js';
import type { LedgerState, StoredFile } from '../ledger/entries.js';
import { Ledger } from '../ledger/ledger.js';
import { readLatest, unpackChunk } from '../results/fetch.js';
import type { Storage } from '../storage/storage.js';
import type { JobContext, JobProgress, Program, Programs, StopReason } from './context.js';
import { ResultsFolder } from './results-folder.js';

/** Frames of a chunk, where nothing else is asked for. */
const CHUNK_FRAMES = 64;

/** What came of working on a job. */
export type Outcome =
  | { status: 'done'; frames: number; tracked: number }
  /** Given back with everything committed. */
  | { status: 'stopped'; reason: StopReason; frames: number; tracked: number }
  | { status: 'failed' | 'quarantined'; code: string; message: string }
  /** Another worker has it. */
  | { status: 'fenced'; message: string }
  /** Storage or the local disk is at fault, not the job. */
  | { status: 'hindered'; code: string; message: string }
  /** The process that worked on it died, or has to. */
  | { status: 'crashed'; message: string };

/** One start of a job. */
export interface JobRequest {
  spec: JobSpec;
  /** Tells this entry of the queue from an earlier one of the same job. */
  run: string;
  /** Which start of it this is. */
  attempt: number;
  worker: string;
  host: string;
}

/** What `runJob` works with. */
export interface RunOptions {
  storage: Storage;
  programs: Programs;
  /** Local folder for results that are being made. */
  scratch: string;
  signal: AbortSignal;
  /** Asked after each frame. */
  stopping(): StopReason | undefined;
  /** Called while the work goes on, so that nobody takes it for dead. */
  onBeat(): void;
  /** Called after each stored frame. */
  onProgress(progress: JobProgress): void;
  /** Errors that are the job's own: it is not tried again. Everything else counts as a crash. */
  isFinal(error: unknown): error is Error & { code?: string | undefined };
  /** Errors of the local disk. */
  isLocal(error: unknown): boolean;
  chunkFrames?: number | undefined;
}

class Stopped extends Error {
  constructor(readonly reason: StopReason) {
    super(`stopped: ${reason}`);
  }
}

/**
 * Works on a job until it is done, has to stop, or cannot go on. Goes on after the last committed chunk, and tells the ledger of all
 * but crashes: whoever watches over this process does that.
 */
export async function runJob(request: JobRequest, options: RunOptions): Promise<Outcome> {
  const { spec, run, attempt, worker, host } = request;
  const { storage } = options;
  const key = keyOf(spec);
  let ledger: Ledger | undefined;
  let folder: string | undefined;
  try {
    ledger = await Ledger.open(storage, key);
    const ended = endOf(ledger.state) ?? (await refusePoison(ledger));
    if (ended) return ended;
    await ledger.claim({ run, attempt, worker, host }, spec);
    await checkInputs(spec.inputs, options.onBeat);
    await mkdir(options.scratch, { recursive: true });
    folder = await mkdtemp(join(options.scratch, `${key.slice(0, 12)}-`));
    const program = options.programs[spec.kind];
    if (!program) throw new FarmError('bad-spec', spec.name, `this worker knows no jobs of kind "${spec.kind}"`);
    const results = new ResultsFolder(folder, storage, key, program.keeps, program.replaces);
    return await new Work(program, spec, options, ledger, results).run();
  } catch (error) {
    return await outcomeOf(error, ledger, options);
  } finally {
    if (folder) await rm(folder, { recursive: true, force: true });
  }
}

function endOf({ status, done, reason = '' }: LedgerState): Outcome | undefined {
  if (status === 'done') return { status, frames: done!.frames, tracked: 0 };
  if (status === 'failed' || status === 'quarantined') return { status, code: status, message: reason };
  return undefined;
}

async function refusePoison(ledger: Ledger): Promise<Outcome | undefined> {
  const { poison } = ledger.state;
  if (!poison) return undefined;
  await ledger.quarantine(poison);
  return endOf(ledger.state);
}

async function outcomeOf(error: unknown, ledger: Ledger | undefined, options: RunOptions): Promise<Outcome> {
  const { message } = error as Error;
  if (isFarmError(error, 'fenced')) return (ledger && endOf(ledger.state)) ?? { status: 'fenced', message };
  if (isFarmError(error, 'storage-away', 'storage-full', 'storage-unsuitable')) {
    return { status: 'hindered', code: error.code, message };
  }
  // Once it may be this machine's share that is not mounted: another one has a look.
  if (isFarmError(error, 'not-found') && ledger && !ledger.state.missing) {
    try {
      await ledger.append({ type: 'release', reason: message, missing: true });
      return { status: 'hindered', code: error.code, message };
    } catch (telling) {
      return outcomeOf(telling, undefined, options);
    }
  }
  if (options.isLocal(error)) return { status: 'hindered', code: 'local-disk', message };
  // Something it builds on is missing, which may be mended without a change of this job.
  if (isFarmError(error, 'incomplete')) return { status: 'failed', code: error.code, message };
  if (!(error instanceof FarmError) && !options.isFinal(error)) {
    return { status: 'crashed', message: (error as Error).stack ?? message };
  }
  const { code = (error as Error).name } = error as { code?: string };
  try {
    await ledger?.append({ type: 'failed', code, message });
    return { status: 'failed', code, message };
  } catch (telling) {
    return outcomeOf(telling, undefined, options);
  }
}

/** One claim's work. */
class Work {
  private progress: JobProgress = { done: 0, tracked: 0, seconds: 0 };
  private sinceCommit = 0;

  constructor(
    private readonly program: Program,
    private readonly spec: JobSpec,
    private readonly options: RunOptions,
    private readonly ledger: Ledger,
    private readonly results: ResultsFolder,
  ) {}

  async run(): Promise<Outcome> {
    const { storage, signal, onBeat } = this.options;
    const context: JobContext = {
      folder: this.results.path,
      storage,
      signal,
      beat: onBeat,
      chunkFrames: this.chunkFrames,
      frame: (progress, open, resumable) => this.frame(progress, open, resumable),
      whole: (progress) => this.whole(progress),
    };
    await this.restore();
    try {
      const { frames, notes } = await this.program.run(this.spec, context);
      const { chunk, files } = await this.results.finish();
      onBeat();
      await this.ledger.append({ type: 'done', frames, seconds: this.progress.seconds, chunk, files, notes });
      // The job is done, whatever becomes of what is of no use any more.
      await this.tidy().catch(() => {});
      return { status: 'done', frames, tracked: this.progress.tracked };
    } catch (error) {
      const stop = error instanceof Stopped ? error.reason : signal.aborted ? 'cancel' : undefined;
      if (stop === undefined) throw error;
      // The frame at which it stopped has been written by now.
      if (stop !== 'cancel') await this.commit();
      await this.ledger.append({ type: 'release', reason: stop });
      const { frames } = this.ledger.state;
      return { status: 'stopped', reason: stop, frames, tracked: this.progress.tracked };
    }
  }

  /** Brings back what is committed; what is damaged is given up, with all that follows it. */
  private async restore(): Promise<void> {
    const { storage, onBeat } = this.options;
    const { path } = this.results;
    for (const { line, entry } of this.ledger.state.commits) {
      const whole = await this.undamaged(line, () => unpackChunk(storage, entry.chunk, path));
      if (!whole) break;
      onBeat();
    }
    // Without them the work would go on, but not to the same bytes: it begins anew.
    const first = this.ledger.state.commits[0];
    for (const file of this.ledger.state.latest) {
      if (await this.undamaged(first!.line, () => readLatest(storage, file, path))) continue;
      await rm(path, { recursive: true });
      await mkdir(path);
      break;
    }
    await this.results.restored();
  }

  /** Reads something; where it is damaged, commits from a line on count for nothing. @returns whether it could be read */
  private async undamaged(from: number, read: () => Promise<void>): Promise<boolean> {
    try {
      await read();
      return true;
    } catch (error) {
      if (!isFarmError(error, 'storage-damaged')) throw error;
      await this.ledger.append({ type: 'void', from, reason: error.message });
      return false;
    }
  }

  private get chunkFrames(): number {
    return this.options.chunkFrames ?? CHUNK_FRAMES;
  }

  private async frame(progress: JobProgress, open?: string, resumable = true): Promise<void> {
    const { stopping } = this.options;
    this.sinceCommit += progress.tracked - this.progress.tracked;
    this.tell(progress);
    const reason = stopping();
    if (reason) throw new Stopped(reason);
    if (resumable && this.sinceCommit >= this.chunkFrames) await this.commit(open);
  }

  private whole(progress: JobProgress): void {
    this.tell(progress);
    const reason = this.options.stopping();
    if (reason && reason !== 'slice') throw new Stopped(reason);
  }

  private tell(progress: JobProgress): void {
    this.options.onBeat();
    this.progress = progress;
    this.options.onProgress(progress);
  }

  /** @param open a file that is not counted yet */
  private async commit(open?: string): Promise<void> {
    if (this.sinceCommit === 0) return;
    const { state, token } = this.ledger;
    const latest = await this.results.commitLatest(state.latest, token);
    const chunk = await this.results.commit(open);
    const frames = this.progress.done - (open === undefined ? 0 : 1);
    if (chunk) {
      await this.ledger.append({ type: 'commit', frames, chunk, ...(latest.length > 0 && { latest }) });
      // Only now nothing refers to the earlier ones.
      if (latest.length > 0) await this.tidy(latest);
    }
    this.options.onBeat();
    this.sinceCommit = open === undefined ? 0 : 1;
  }

  /** Removes earlier states of files of which the latest counts. */
  private async tidy(latest: readonly StoredFile[] = []): Promise<void> {
    if (latest.length === 0 && this.ledger.state.latest.length === 0) return;
    await removeLatest(this.options.storage, this.ledger.key, this.ledger.token, latest);
  }
}
