/** `samtrack worker`: runs queued jobs on this machine. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import {
  type Arguments,
  defineCommand,
  ENGINE_HELP,
  ENGINE_OPTIONS,
  engineArguments,
  engineSettings,
  formatDuration,
  positiveNumber,
  Report,
  UsageError,
} from 'samtrack/cli';
import { isFarmError } from '../errors.js';
import { openTraces } from '../observe/traces.js';
import { connect } from '../queue/connection.js';
import { openStorage } from '../storage/open.js';
import type { Storage } from '../storage/storage.js';
import { gpuIsRight } from '../worker/check-gpu.js';
import { ChildExecutor } from '../worker/executor.js';
import { Supervisor, type SupervisorEvent } from '../worker/supervisor.js';
import { FARM_HELP, FARM_OPTIONS, farmAddress } from './options.js';

const HELP = `Usage: samtrack worker --storage WHERE [options]

Takes jobs from the queue and runs them, one after the other, until it is told to stop: one worker a GPU. The work is
done in a child process that keeps its weights loaded; this one watches over it. Results are stored in chunks of 64
frames, and a job that was interrupted anywhere goes on after its last chunk.

SIGTERM or Ctrl-C: the frame at work is finished, what is done is stored, the job is given back. A second one ends it.

  --host NAME           the machine, for the count of crashes; default its name
  --scratch FOLDER      local disk for results that are being made; default a folder of the system's temporary ones
  --lock-seconds N      a worker that says nothing for so long has lost its job; default 30
  --hang-seconds N      a frame that takes longer is hung, and the child is ended; default 300
  --patience-seconds N  how long a job waits for a storage that is away or full before it is given back; default 600
  --pause-seconds N     before the next try of whatever did not work: storage, a crashed child, another's job; default 2
  --chunk N             frames that are stored at a time, and computed again where a worker is killed; default 64
  --slice N             frames after which a video is given back if others wait; default 4096
  --programs MODULE     what jobs do, from a module of one's own (README of @samtrack/farm); default what samtrack does
  --metrics PORT        serve Prometheus metrics on 127.0.0.1:PORT/metrics; HOST:PORT for another address
  --traces URL          send OpenTelemetry traces there, such as http://127.0.0.1:4318/v1/traces
  -q, --quiet           say nothing but failures
  -h, --help            print this

${ENGINE_HELP}
${FARM_HELP}`;

const OPTIONS = {
  ...FARM_OPTIONS,
  host: { type: 'string' },
  ...ENGINE_OPTIONS,
  scratch: { type: 'string' },
  'lock-seconds': { type: 'string' },
  'hang-seconds': { type: 'string' },
  'patience-seconds': { type: 'string' },
  'pause-seconds': { type: 'string' },
  chunk: { type: 'string' },
  slice: { type: 'string' },
  programs: { type: 'string' },
  metrics: { type: 'string' },
  traces: { type: 'string' },
  quiet: { type: 'boolean', short: 'q' },
} as const;

export const workerCommand = defineCommand({
  name: 'worker',
  summary: "run queued jobs on this machine's GPU",
  help: HELP,
  options: OPTIONS,
  run,
});

async function run({ options }: Arguments<typeof OPTIONS>): Promise<number> {
  const address = farmAddress(options);
  const number = (name: `${'lock' | 'hang' | 'patience' | 'pause'}-seconds` | 'slice' | 'chunk', otherwise: number) =>
    positiveNumber(name, options[name], { whole: name === 'slice' || name === 'chunk' }) ?? otherwise;
  const settings = {
    lockSeconds: number('lock-seconds', 30),
    hangSeconds: number('hang-seconds', 300),
    patienceSeconds: number('patience-seconds', 600),
    pauseSeconds: number('pause-seconds', 2),
    sliceFrames: number('slice', 4096),
    chunkFrames: number('chunk', 64),
  };
  const engine = engineSettings(options);
  if (options.programs && !existsSync(options.programs))
    throw new UsageError(`--programs ${options.programs}: no such file`);
  const metricsAt = options.metrics === undefined ? undefined : listenAddress(options.metrics);
  const report = new Report(options.quiet);
  // From the start: where this is a container's first process, a signal that nobody waits for does nothing.
  const stopping = new AbortController();
  let working: Supervisor | undefined;
  const stop = () => {
    if (stopping.signal.aborted) process.exit(1);
    report.note(working?.busy ? 'stopping: the job at work is given back after this frame' : 'stopping');
    stopping.abort();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // An address that is wrong is told now; a server that goes away later is waited for.
  (await connect(address)).disconnect();
  const storage = await storageOnceThere(address.storage, settings.pauseSeconds, report, stopping.signal);
  if (!storage) return 0;
  const redis = await connect(address, { patient: true });
  const traces = options.traces === undefined ? undefined : await openTraces(options.traces, 'samtrack-worker');
  const executor = new ChildExecutor(
    {
      storage: address.storage,
      scratch: options.scratch ?? join(tmpdir(), 'samtrack-worker'),
      hangSeconds: settings.hangSeconds,
      patienceSeconds: settings.patienceSeconds,
      pauseSeconds: settings.pauseSeconds,
      chunkFrames: settings.chunkFrames,
      engine,
      ...(options.programs ? { programs: pathToFileURL(options.programs).href } : {}),
    },
    (text) => report.note(`  ${text}`),
  );
  // What few ask for is loaded where it is.
  const metrics =
    metricsAt && (await (await import('../observe/metrics.js')).MetricsServer.open(metricsAt, redis, address.queue));
  const supervisor = new Supervisor({
    redis,
    queue: address.queue,
    storage,
    executor,
    healthy: () => gpuIsRight(engineArguments(options)),
    ...(options.host ? { host: options.host } : {}),
    lockSeconds: settings.lockSeconds,
    pauseSeconds: settings.pauseSeconds,
    sliceFrames: settings.sliceFrames,
    telemetry: traces?.telemetry,
    onEvent: (event) => {
      metrics?.take(event);
      say(report, event);
    },
  });
  working = supervisor;
  const drained = new Promise<void>((resolve, reject) => {
    const drain = () => supervisor.drain().then(resolve, reject);
    if (stopping.signal.aborted) drain();
    else stopping.signal.addEventListener('abort', drain, { once: true });
  });
  report.note(`worker ${supervisor.name}: queue ${address.queue}, results in ${storage.label}`);
  if (metrics) report.note(`metrics: ${metrics.url}`);
  const running = supervisor.run();
  await Promise.race([drained, running]);
  if (stopping.signal.aborted) await drained;
  await metrics?.close();
  await traces?.close();
  storage.close();
  redis.disconnect();
  return 0;
}

/**
 * The storage; one that is not there yet is waited for, as a share that is being mounted, or the first submission.
 * @returns undefined where the worker is to stop
 */
async function storageOnceThere(
  where: string,
  pauseSeconds: number,
  report: Report,
  signal: AbortSignal,
): Promise<Storage | undefined> {
  for (let announced = false; !signal.aborted; announced = true) {
    try {
      return await openStorage(where);
    } catch (error) {
      if (!isFarmError(error, 'storage-away')) throw error;
      if (!announced) report.note(`waiting: ${error.message}`);
      await sleep(pauseSeconds * 1000, undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}

function listenAddress(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', port] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new UsageError(`--metrics is PORT or HOST:PORT, not "${text}"`);
  return { host, port: Number(port) };
}

function say(report: Report, event: SupervisorEvent): void {
  if (event.type === 'note') report.note(event.text);
  if (event.type === 'start')
    report.note(`${event.name}: started${event.attempt > 1 ? ` (start ${event.attempt})` : ''}`);
  if (event.type !== 'end') return;
  const { name, outcome, seconds } = event;
  const what =
    outcome.status === 'done'
      ? `done${outcome.frames > 0 ? `, ${outcome.frames} frames` : ''}`
      : outcome.status === 'stopped'
        ? outcome.reason === 'cancel'
          ? 'cancelled'
          : `given back after ${outcome.frames} frames (${outcome.reason})`
        : `${outcome.status}: ${outcome.message.split('\n')[0]}`;
  const line = `${name}: ${what}, ${formatDuration(seconds)}`;
  if (outcome.status === 'failed' || outcome.status === 'quarantined') report.failure(line);
  else report.note(line);
}
