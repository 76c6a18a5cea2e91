/**
 * A day of a farm, in one process: many workers with real queue, ledgers and storage, the toy program, and faults drawn from a seed.
 * Workers and children die, sleep past their locks, lose their storage for a while.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FarmQueue, keyOf, Ledger } from '@samtrack/farm';
import { connect, FarmError, patient, runJob, Supervisor } from '@samtrack/farm/worker';
import { toy } from './toy.mjs';

/** mulberry32 */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const never = new Promise(() => {});
const OPERATIONS = ['read', 'write', 'upload', 'create', 'list', 'download'];

/** What befalls a run: after some operations of the storage it dies, sleeps, or finds the storage gone for a while. */
function fateOf(draw, lockSeconds) {
  const fate = draw();
  const after = Math.floor(draw() * 12);
  if (fate < 0.03) return { kind: 'crash', after };
  if (fate < 0.05) return { kind: 'worker dies', after };
  if (fate < 0.07) return { kind: 'sleeps', after, milliseconds: lockSeconds * 2500 };
  if (fate < 0.11) return { kind: 'storage away', after, times: 1 + Math.floor(draw() * 4) };
  return { kind: 'none', after: -1 };
}

class DoomedExecutor {
  /** @param onDeath called when the whole worker dies */
  constructor(options) {
    this.options = options;
    this.stopping = undefined;
  }

  run(request, onProgress) {
    const { storage, folder, draw, lockSeconds, faults, onDeath } = this.options;
    this.stopping = undefined;
    const fate = fateOf(draw, lockSeconds);
    faults[fate.kind] = (faults[fate.kind] ?? 0) + 1;
    return new Promise((resolve) => {
      let [operations, away, dead] = [0, 0, false];
      const doomed = Object.create(storage);
      for (const name of OPERATIONS) {
        doomed[name] = async (...args) => {
          if (dead) return never;
          if (operations++ === fate.after) {
            if (fate.kind === 'sleeps') await sleep(fate.milliseconds);
            if (fate.kind === 'storage away') away = fate.times;
            if (fate.kind === 'crash' || fate.kind === 'worker dies') {
              // An operation may have been done although nobody heard of it.
              if (draw() < 0.5) await storage[name](...args);
              dead = true;
              if (fate.kind === 'crash') resolve({ status: 'crashed', message: 'the child died' });
              else onDeath();
              return never;
            }
          }
          if (away-- > 0) throw new FarmError('storage-away', 'storage', 'not mounted');
          return storage[name](...args);
        };
      }
      runJob(request, {
        storage: patient(doomed, { seconds: 60, pause: 0.01 }),
        programs: { toy },
        scratch: join(folder, 'scratch'),
        signal: new AbortController().signal,
        stopping: () => this.stopping,
        onBeat: () => {},
        onProgress,
        isFinal: () => false,
        isLocal: () => false,
        chunkFrames: 8,
      }).then(resolve);
    });
  }

  stop(reason) {
    this.stopping = reason;
  }

  async close() {}
}

/** @returns what happened; throws if something was lost, doubled or wrong before the results are even compared */
export async function simulateDay({
  redis,
  queue: name,
  storage,
  folder,
  seed,
  workers: count,
  jobs: total,
  lockSeconds = 1,
}) {
  const draw = random(seed);
  const specs = Array.from({ length: total }, (_, i) => {
    const frames = 1 + Math.floor(draw() ** 3 * 60);
    const spec = { kind: 'toy', name: `video ${i}`, identity: { name: `video ${i}`, frames }, inputs: [] };
    return { ...spec, parameters: { frames } };
  });
  const queue = new FarmQueue(await connect({ redis, queue: name }, { patient: true }), name);
  const faults = {};
  const outcomes = {};
  const workers = new Set();
  let open = true;
  let serial = 0;

  async function start() {
    const host = `host${serial++}`;
    const connection = await connect({ redis, queue: name }, { patient: true });
    const gone = async () => {
      workers.delete(worker);
      await supervisor.abandon();
      connection.disconnect();
      if (open) await start();
    };
    const executor = new DoomedExecutor({ storage, folder, draw, lockSeconds, faults, onDeath: () => void gone() });
    const supervisor = new Supervisor({
      redis: connection,
      queue: name,
      storage,
      executor,
      host,
      lockSeconds,
      pauseSeconds: 0.05,
      sliceFrames: 24,
      healthy: async () => true,
      onEvent: ({ type, outcome }) => {
        if (type === 'end') outcomes[outcome.status] = (outcomes[outcome.status] ?? 0) + 1;
      },
    });
    const worker = { supervisor, connection };
    workers.add(worker);
    supervisor.run().catch(() => {});
    return worker;
  }

  const began = performance.now();
  await queue.submit(
    storage,
    specs.map((spec) => ({ spec })),
  );
  for (let i = 0; i < count; i++) await start();
  let rounds = 0;
  for (;;) {
    const counts = await queue.queue.getJobCounts('wait', 'prioritized', 'active');
    if (Object.values(counts).some((jobs) => jobs > 0)) {
      await sleep(100);
      continue;
    }
    // What crashed on two hosts by chance is put back, as a person would.
    const again = await queue.submit(
      storage,
      specs.map((spec) => ({ spec })),
      { retry: true },
    );
    if (again.every((state) => state === 'stored')) break;
    rounds++;
  }
  open = false;
  const seconds = (performance.now() - began) / 1000;
  for (const { supervisor, connection } of workers) {
    await supervisor.drain();
    connection.disconnect();
  }
  await queue.close();
  let done = 0;
  for (const spec of specs) {
    const { entries } = await Ledger.open(storage, keyOf(spec));
    const ends = entries.filter(({ type }) => type === 'done').length;
    if (ends !== 1) throw new Error(`${spec.name} was done ${ends} times`);
    done++;
  }
  return { specs, seconds, done, rounds, faults, outcomes, workersStarted: serial };
}
