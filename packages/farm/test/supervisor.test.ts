/** What a supervisor does with jobs and a queue that are not as they should be: with a real Redis, and an executor of the test's. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type JobSpec, keyOf } from '../src/job/spec.js';
import { jobFolder, Ledger } from '../src/ledger/ledger.js';
import { connect } from '../src/queue/connection.js';
import { cancelKey, FarmQueue } from '../src/queue/farm-queue.js';
import type { Outcome } from '../src/run/run-job.js';
import { openStorage } from '../src/storage/open.js';
import { Supervisor } from '../src/worker/supervisor.js';
import { eventually } from './eventually.js';
import { hasRedis, TestRedis } from './redis.js';
import { temporaryFolder } from './temporary.js';
import { toySpec } from './toys.js';

const folder = temporaryFolder();
const DONE: Outcome = { status: 'done', frames: 1, tracked: 1 };

describe.skipIf(!hasRedis)('a supervisor', () => {
  let server: TestRedis;
  let queue: FarmQueue;
  let connection: Redis;
  let supervisor: Supervisor | undefined;
  let serial = 0;
  beforeAll(async () => {
    server = await TestRedis.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    const redis = () => connect({ redis: server.url, queue: '' }, { patient: true });
    connection = await redis();
    queue = new FarmQueue(await redis(), `supervised${++serial}`);
  });
  afterEach(async () => {
    await supervisor?.drain();
    supervisor = undefined;
    await queue.close();
    connection.disconnect();
  });

  const storageAt = (name: string) => openStorage(join(folder, name), { create: true });

  /** Starts one that does what it is told with each start of a job. @returns what it says */
  async function supervise(
    storage: Awaited<ReturnType<typeof storageAt>>,
    work: (name: string, start: number) => Outcome | Promise<Outcome>,
  ) {
    const starts = new Map<string, number>();
    const notes: string[] = [];
    const order: string[] = [];
    let stop: ((outcome: Outcome) => void) | undefined;
    supervisor = new Supervisor({
      redis: connection,
      queue: queue.name,
      storage,
      executor: {
        run({ spec }) {
          const start = (starts.get(spec.name) ?? 0) + 1;
          starts.set(spec.name, start);
          order.push(spec.name);
          return new Promise((resolve, reject) => {
            stop = resolve;
            Promise.resolve()
              .then(() => work(spec.name, start))
              .then(resolve, reject);
          });
        },
        stop: (reason) => stop?.({ status: 'stopped', reason, frames: 0, tracked: 0 }),
        close: async () => {},
      },
      healthy: async () => true,
      host: 'one',
      lockSeconds: 2,
      pauseSeconds: 0.05,
      onEvent: (event) => event.type === 'note' && notes.push(event.text),
    });
    void supervisor.run();
    return { notes, order };
  }

  const stateOf = (spec: JobSpec) => queue.queue.getJobState(keyOf(spec));
  const until = (spec: JobSpec, state: string) =>
    eventually(
      `"${spec.name}" to be ${state}`,
      () => stateOf(spec),
      (seen) => seen === state,
    );

  it('leaves jobs for another storage to others, and knows one that was made anew in its place', async () => {
    const [here, there] = [await storageAt('here'), await storageAt('there')];
    const [own, foreign, later] = ['own', 'foreign', 'later'].map((name) => toySpec(name, 1));
    await queue.submit(there, [{ spec: foreign!, priority: 1 }]);
    await queue.submit(here, [{ spec: own! }]);
    const { notes, order } = await supervise(here, () => DONE);
    await until(own!, 'completed');
    expect(notes.filter((note) => note.includes('another storage'))).toHaveLength(1);
    rmSync(join(folder, 'here'), { recursive: true });
    await queue.submit(await storageAt('here'), [{ spec: later! }]);
    await until(later!, 'completed');
    expect(order).toEqual(['own', 'later']);
    expect(await stateOf(foreign!)).not.toBe('failed');
  });

  it('gives a job back that it cannot even start, and takes it again', async () => {
    const spec = toySpec('no process', 1);
    await queue.submit(await storageAt('start'), [{ spec }]);
    const { notes } = await supervise(await storageAt('start'), (_, start) => {
      if (start <= 2) throw new Error('spawn EAGAIN');
      return DONE;
    });
    await until(spec, 'completed');
    expect(notes).toEqual(['no process: spawn EAGAIN', 'no process: spawn EAGAIN']);
  });

  it('what misses its inputs goes behind the others', async () => {
    const [first, second] = [toySpec('gone', 1), toySpec('there', 1)];
    const storage = await storageAt('inputs');
    await queue.submit(storage, [{ spec: first }, { spec: second }]);
    const { order } = await supervise(storage, (name, start) =>
      name === 'gone' && start === 1 ? { status: 'hindered', code: 'not-found', message: 'gone.mp4' } : DONE,
    );
    await until(first, 'completed');
    expect(order).toEqual(['gone', 'there', 'gone']);
  });

  it('heeds a wish to cancel this run of a job, not one of an earlier run', async () => {
    const spec = toySpec('cancelled', 1);
    const storage = await storageAt('cancel');
    await queue.redis.set(cancelKey(queue.name, keyOf(spec)), 'an earlier run');
    await queue.submit(storage, [{ spec }]);
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    await supervise(storage, async (_, start) => {
      if (start === 1) await gate;
      return DONE;
    });
    await until(spec, 'active');
    const job = (await queue.find(keyOf(spec)))!;
    expect(await queue.cancel(job)).toBe('active');
    await until(spec, 'failed');
    expect((await queue.find(keyOf(spec)))!.failedReason).toBe('cancelled');
    go();
    // It is told too late: the next run is not meant.
    await queue.redis.set(cancelKey(queue.name, keyOf(spec)), job.data.run);
    await queue.retry(job);
    await until(spec, 'completed');
    expect(await queue.cancel(job)).toBe('completed');
  });

  it('cancels what waits for a job at work when its turn comes', async () => {
    const storage = await storageAt('flow');
    const [table, score, track] = ['table', 'score', 'track'].map((name) => toySpec(name, 1));
    const id = await queue.submitFlow(storage, table!, [{ score: score!, track: track! }]);
    const { order } = await supervise(storage, () => new Promise(() => {}));
    await eventually('the first to be at work', () => order.length === 1);
    for (const spec of [table!, score!]) {
      expect(await queue.cancel((await queue.find(keyOf(spec)))!)).toBe('waiting-children');
    }
    expect(await queue.cancel((await queue.find(keyOf(track!)))!)).toBe('active');
    await eventually('the end of the table', async () => (await queue.queue.getJob(id))?.failedReason === 'cancelled');
    expect(order).toEqual(['track']);
  });
});

describe.skipIf(!hasRedis)('the queue', () => {
  it('finds jobs by the beginning of id or key, and changes the priority of one that waits', async () => {
    const server = await TestRedis.start();
    const queue = new FarmQueue(await connect({ redis: server.url, queue: '' }), 'found');
    try {
      const storage = await openStorage(join(folder, 'found'), { create: true });
      const specs = ['a', 'b'].map((name) => toySpec(name, 1));
      // A ledger that someone has damaged is told of, and keeps nothing else from being queued.
      const damaged = toySpec('damaged', 1);
      await storage.write(`${jobFolder(keyOf(damaged))}/log/000000.json`, new TextEncoder().encode('?'));
      expect(await queue.submit(storage, [{ spec: damaged }, { spec: specs[0]! }])).toEqual(['failed', 'queued']);
      await expect(Ledger.open(storage, keyOf(damaged))).rejects.toThrow(
        /not a line of a ledger; without the folder jobs/,
      );
      const flow = { ...toySpec('table', 1), kind: 'table' };
      expect(await queue.submit(storage, [{ spec: specs[0]!, priority: 7 }])).toEqual(['known']);
      expect((await queue.find(keyOf(specs[0]!).slice(0, 8)))!.priority).toBe(7);
      const id = await queue.submitFlow(storage, flow, [{ track: specs[1]!, score: { ...specs[1]!, kind: 'score' } }]);
      expect((await queue.find(keyOf(flow)))!.id).toBe(id);
      // The whole flow goes with its table.
      expect(await queue.cancel((await queue.find(id))!)).toBe('waiting-children');
      expect(await queue.find(keyOf(specs[1]!))).toBeUndefined();
      expect(await queue.queue.getJobCountByTypes('wait', 'prioritized', 'waiting-children')).toBe(1);
    } finally {
      await queue.close();
      await server.stop();
    }
  });
});
