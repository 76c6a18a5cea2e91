/** The process that works on jobs, one after the other: it may block, hang or die, its supervisor does not. */
import { Worker } from 'node:worker_threads';
import type { ProgramModule, Programs, StopReason } from '../run/context.js';
import { type JobRequest, runJob } from '../run/run-job.js';
import { openStorage } from '../storage/open.js';
import { patient } from '../storage/patient.js';
import { programFile } from './files.js';
import type { ChildSettings, FromChild, ToChild } from './messages.js';

const settings: ChildSettings = JSON.parse(process.argv[2]!);
const beats = new Int32Array(new SharedArrayBuffer(8));
const beat = () => void Atomics.add(beats, 0, 1);

const send = (message: FromChild) => process.connected && process.send!(message);

// The supervisor says when to stop; a terminal's Ctrl-C goes to all processes.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// Without a supervisor nobody wants the results of what may be a stale claim. The watchdog sees to it where this thread is blocked.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

new Worker(programFile('watchdog'), {
  workerData: { beats: beats.buffer, parent: process.ppid, hangSeconds: settings.hangSeconds },
}).unref();

let module: ProgramModule | undefined;
let programs: Programs | undefined;
let stopping: StopReason | undefined;
let cancelling = new AbortController();

// Loaded with the first job: what a job needs is much more than what this process needs.
const load = async (): Promise<ProgramModule> =>
  settings.programs ? await import(settings.programs) : await import('../programs/index.js');

async function work(request: JobRequest): Promise<void> {
  stopping = undefined;
  cancelling = new AbortController();
  beat();
  Atomics.store(beats, 1, 1);
  try {
    module ??= await load();
    programs ??= module.default(settings.engine);
    const { isFinal } = module;
    const { signal } = cancelling;
    const storage = patient(await openStorage(settings.storage), {
      seconds: settings.patienceSeconds,
      ...(settings.pauseSeconds !== undefined && { pause: settings.pauseSeconds }),
      signal,
      onBeat: beat,
      onWait: ({ message }) => {
        beat();
        send({ type: 'note', text: `waiting: ${message}` });
      },
    });
    const outcome = await runJob(request, {
      storage,
      programs,
      scratch: settings.scratch,
      signal,
      stopping: () => stopping,
      onBeat: beat,
      onProgress: (progress) => send({ type: 'progress', progress }),
      isFinal: (error): error is Error => isFinal(error),
      isLocal: (error) => (error as Error).name === 'OutputError',
      chunkFrames: settings.chunkFrames,
    });
    storage.close();
    Atomics.store(beats, 1, 0);
    send({ type: 'outcome', outcome });
  } catch (error) {
    Atomics.store(beats, 1, 0);
    const { code = 'storage-away', message } = error as Error & { code?: string };
    send({ type: 'outcome', outcome: { status: 'hindered', code, message } });
  }
}

process.on('message', (message: ToChild) => {
  if (message.type === 'run') void work(message.request);
  else if (message.type === 'exit') process.exit(0);
  else {
    stopping = message.reason;
    if (message.reason === 'cancel') cancelling.abort(new Error('cancelled'));
  }
});
send({ type: 'ready' });
