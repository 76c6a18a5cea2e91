/** A thread that scores sequences: what it is sent is a `SequenceTask`, what it answers a `ScoreReply`. */
import { parentPort } from 'node:worker_threads';
import { MaskError } from '../../io/errors.js';
import { type SequenceTask, scoreSequence } from '../../metrics/davis.js';
import { EvaluationError } from '../../metrics/errors.js';
import type { SequenceScores } from '../../metrics/evaluate.js';

/** What came of a task. Errors lose their class on the way between threads, so their parts are sent. */
export type ScoreReply =
  | { scores: SequenceScores }
  | { error: { type: 'evaluation' | 'mask' | 'other'; code: string; subject: string; message: string } };

function describeError(error: unknown): ScoreReply {
  if (error instanceof EvaluationError || error instanceof MaskError) {
    const subject = error instanceof MaskError ? error.source : error.subject;
    const message = error.message.slice(subject.length + 2);
    const type = error instanceof MaskError ? 'mask' : 'evaluation';
    return { error: { type, code: error.code, subject, message } };
  }
  return { error: { type: 'other', code: '', subject: '', message: (error as Error).stack ?? String(error) } };
}

parentPort!.on('message', async (task: SequenceTask) => {
  const reply = await scoreSequence(task).then((scores): ScoreReply => ({ scores }), describeError);
  parentPort!.postMessage(reply);
});
