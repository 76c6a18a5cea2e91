/** Every fault that a farm has to survive, with a real Redis, real processes and the toy program. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type JobSpec, keyOf } from '../src/job/spec.js';
import { Ledger } from '../src/ledger/ledger.js';
import { connect } from '../src/queue/connection.js';
import { FarmQueue } from '../src/queue/farm-queue.js';
import { openStorage } from '../src/storage/open.js';
import type { Storage } from '../src/storage/storage.js';
import { eventually } from './eventually.js';
import { isAlive } from './processes.js';
import { hasRedis, TestRedis } from './redis.js';
import { S3Server } from './s3-server.js';
import { temporaryFolder } from './temporary.js';
import { expectToy, makeFaults, TOY_MODULE, toySpec } from './toys.js';

const folder = temporaryFolder();

/** A worker as a process of its own, which tells what happens. */
class TestWorker {
  readonly events: { type: string; outcome?: { status: string; message?: string }; text?: string; child?: number }[] =
    [];
  readonly children = new Set<number>();
  private readonly process: ChildProcess;

  constructor(settings: Record<string, unknown>, env: NodeJS.ProcessEnv = {}) {
    this.process = fork(new URL('worker-process.mjs', import.meta.url), [JSON.stringify(settings)], {
      // Vitest's own arguments lead to sources.
      execArgv: [],
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.process.on('message', (event: TestWorker['events'][number]) => {
      this.events.push(event);
      if (event.child) this.children.add(event.child);
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  saw(type: string, status?: string): boolean {
    return this.events.some(
      (event) => event.type === type && (status === undefined || event.outcome?.status === status),
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Waits until it has ended, with all its children. */
  async gone(): Promise<void> {
    const alive = () => [this.pid, ...this.children].filter(isAlive);
    await eventually('the end of a worker and its children', alive, ({ length }) => length === 0);
  }
}

describe.skipIf(!hasRedis)('faults', { timeout: 300_000 }, () => {
  let redis: TestRedis;
  let storage: Storage;
  let queue: FarmQueue;
  let workers: TestWorker[] = [];
  let serial = 0;
  let where: string;

  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.stop());

  beforeEach(async () => {
    where = join(folder, `storage${++serial}`);
    storage = await openStorage(where, { create: true });
    queue = new FarmQueue(await connect({ redis: redis.url, queue: '' }, { patient: true }), `faults${serial}`);
  });
  afterEach(async () => {
    for (const worker of workers) worker.signal('SIGTERM');
    for (const worker of workers) await worker.gone();
    workers = [];
    await queue.close();
  });

  function worker(more: Record<string, unknown> = {}, env?: NodeJS.ProcessEnv): TestWorker {
    const started = new TestWorker(
      {
        redis: redis.url,
        queue: `faults${serial}`,
        storage: where,
        scratch: join(folder, 'scratch'),
        programs: TOY_MODULE,
        host: `host${workers.length}`,
        lockSeconds: 1,
        hangSeconds: 60,
        patienceSeconds: 60,
        pauseSeconds: 0.1,
        chunkFrames: 8,
        ...more,
      },
      env,
    );
    workers.push(started);
    return started;
  }

  const submit = (...specs: JobSpec[]) =>
    queue.submit(
      storage,
      specs.map((spec) => ({ spec })),
    );
  const ended = async (spec: JobSpec) => ['completed', 'failed'].includes(await queue.queue.getJobState(keyOf(spec)));
  const untilEnd = (spec: JobSpec) =>
    eventually(
      `the end of "${spec.name}"`,
      async () => ({
        state: await queue.queue.getJobState(keyOf(spec)),
        ledger: (await Ledger.open(storage, keyOf(spec))).entries.map(({ type }) => type),
        events: workers.map(({ events }) => events.filter(({ type }) => type !== 'progress').slice(-8)),
      }),
      ({ state }) => ['completed', 'failed'].includes(state),
    );
  const frames = async (spec: JobSpec) => (await Ledger.open(storage, keyOf(spec))).state.frames;
  const untilStored = (spec: JobSpec, count: number) =>
    eventually(
      `${count} stored frames of "${spec.name}"`,
      () => frames(spec),
      (stored) => stored >= count,
    );
  const untilSaw = (worker: TestWorker, type: string, status?: string) =>
    eventually(
      `"${type}" ${status ?? ''} of a worker`,
      () => worker.events.filter((event) => event.type !== 'progress').slice(-8),
      () => worker.saw(type, status),
    );
  const untilNote = (worker: TestWorker, text: string) =>
    eventually(
      `"${text}" from a worker`,
      () => worker.events.flatMap(({ text }) => text ?? []),
      (texts) => texts.some((said) => said.includes(text)),
    );
  const log = (name: string) => join(folder, `${name}.log`);
  /** Frames that were computed, with those that were computed again. */
  const computed = (name: string) => readFileSync(log(name), 'utf8').trim().split('\n').length;
  const toy = (name: string, count: number, more = {}) => toySpec(name, count, { log: log(name), ...more });
  /** A job that stops before a frame until its gate is opened: what happens in between happens while it is at work. */
  function gated(name: string, count: number, at: number, more = {}): { spec: JobSpec; open: () => void } {
    const gate = join(folder, `${name}.gate`);
    writeFileSync(gate, '');
    return { spec: toy(name, count, { at, gate, ...more }), open: () => rmSync(gate) };
  }
  const untilComputed = (name: string, count: number) =>
    eventually(
      `${count} computed frames of "${name}"`,
      () => (existsSync(log(name)) ? computed(name) : 0),
      (frames) => frames >= count,
    );

  it('a worker is killed: its child goes with it, another worker goes on after the last chunk', async () => {
    const { spec, open } = gated('worker killed', 48, 20);
    await submit(spec);
    const first = worker();
    await untilComputed('worker killed', 20);
    first.signal('SIGKILL');
    await first.gone();
    open();
    const second = worker();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    expect(second.saw('end', 'done')).toBe(true);
    expect(computed('worker killed')).toBe(48 + 4);
    await eventually(
      'the end of what the killed one left on the disk',
      () => readdirSync(join(folder, 'scratch')).filter((name) => name.includes(`-${first.pid}-`)),
      ({ length }) => length === 0,
    );
  });

  it('a child that is blocked in a call goes with its killed worker', async () => {
    const faults = makeFaults(join(folder, 'blocked'), { hang: 1 });
    const spec = toy('blocked', 24, { at: 10, faults });
    await submit(spec);
    const first = worker();
    await untilComputed('blocked', 10);
    first.signal('SIGKILL');
    await first.gone();
    worker();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
  });

  it('a child is killed: the job goes on, on the same worker if there is no other', async () => {
    const spec = toy('child killed', 48, { at: 20, faults: makeFaults(join(folder, 'child-killed'), { crash: 1 }) });
    await submit(spec);
    const only = worker();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    expect(only.saw('end', 'crashed')).toBe(true);
  });

  it('a device that is lost for good, and a call that hangs: the child ends and a new one goes on', async () => {
    const faults = makeFaults(join(folder, 'gpu'), { 'device-lost': 1, hang: 1 });
    const spec = toy('gpu', 40, { at: 20, faults });
    await submit(spec);
    const only = worker({ hangSeconds: 2 });
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    const crashes = only.events
      .filter(({ outcome }) => outcome?.status === 'crashed')
      .map(({ outcome }) => outcome!.message);
    expect(crashes).toHaveLength(2);
    expect(crashes.join()).toMatch(/the device was lost/);
    expect(crashes.join()).toMatch(/no sign of life for 2 s/);
  });

  it('Redis dies and comes back, while a job is at work and for longer than its lock lasts', async () => {
    const { spec, open } = gated('redis away', 96, 20);
    await submit(spec);
    const [one, two] = [worker(), worker()];
    await untilComputed('redis away', 20);
    await redis.kill();
    // Twice as long as its lock.
    await sleep(2000);
    // The work goes on without it.
    open();
    await untilStored(spec, 72);
    await redis.up();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    // Workers take jobs as before.
    const next = [1, 2, 3, 4].map((i) => toySpec(`after redis ${i}`, 10));
    await submit(...next);
    for (const job of next) await untilEnd(job);
    for (const job of next) await expectToy(storage, job, join(folder, 'fetched'));
    expect([one, two].every(({ pid }) => isAlive(pid))).toBe(true);
  });

  it('Redis has lost everything: what is submitted again goes on after the last chunk', async () => {
    const { spec, open } = gated('redis emptied', 64, 20);
    await submit(spec);
    const first = worker();
    await untilComputed('redis emptied', 20);
    first.signal('SIGKILL');
    await first.gone();
    open();
    await queue.redis.flushall();
    expect(await submit(spec)).toEqual(['queued']);
    worker();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    expect(computed('redis emptied')).toBe(64 + 4);
    await queue.redis.flushall();
    expect(await submit(spec)).toEqual(['stored']);
  });

  it('the storage is away for a while: the job waits and goes on', async () => {
    const { spec, open } = gated('storage away', 40, 12);
    await submit(spec);
    const only = worker();
    await untilComputed('storage away', 12);
    renameSync(where, `${where}.away`);
    open();
    await untilNote(only, 'waiting: ');
    renameSync(`${where}.away`, where);
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    expect(only.events.filter(({ type }) => type === 'end')).toHaveLength(1);
  });

  it('the storage is full for longer than a worker has patience: the job is given back, and none is taken until there is room', async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
    const s3 = await S3Server.start();
    try {
      where = s3.url(`bucket/full${serial}`);
      storage = await openStorage(where, { create: true });
      const { spec, open } = gated('storage full', 40, 12);
      await submit(spec);
      const only = worker({ patienceSeconds: 0.1 });
      await untilComputed('storage full', 12);
      s3.failure = 507;
      open();
      await untilSaw(only, 'end', 'hindered');
      await untilNote(only, 'takes no more jobs until');
      s3.failure = undefined;
      await untilEnd(spec);
      await expectToy(storage, spec, join(folder, 'fetched'));
    } finally {
      storage.close();
      for (const started of workers) started.signal('SIGTERM');
      for (const started of workers) await started.gone();
      await s3.stop();
    }
  });

  it('a job that two workers have at once is done once, and right', async () => {
    const { spec, open } = gated('stolen', 64, 12);
    await submit(spec);
    const first = worker();
    await untilComputed('stolen', 12);
    // The first one sleeps past its lock, and wakes up believing that the job is its own.
    first.signal('SIGSTOP');
    worker();
    await untilComputed('stolen', 12 + 4);
    first.signal('SIGCONT');
    open();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    const { entries } = await Ledger.open(storage, keyOf(spec));
    expect(entries.filter(({ type }) => type === 'done')).toHaveLength(1);
  });

  it('clocks that are hours apart change nothing', async () => {
    const skewed = (hours: number) => ({
      NODE_OPTIONS: `--import ${new URL('skewed-clock.mjs', import.meta.url).href}`,
      SKEW_HOURS: String(hours),
    });
    const specs = [1, 2, 3, 4].map((i) =>
      toy(`skew ${i}`, 40, { at: 20, faults: makeFaults(join(folder, `skew${i}`), i % 2 ? { crash: 1 } : {}) }),
    );
    await submit(...specs);
    worker({}, skewed(-5));
    worker({}, skewed(+7));
    for (const spec of specs) await untilEnd(spec);
    for (const spec of specs) await expectToy(storage, spec, join(folder, 'fetched'));
  });

  it('a video that kills workers goes into quarantine after two hosts, and others go on', async () => {
    const poison = toy('poison', 24, { at: 10, faults: makeFaults(join(folder, 'poison'), { crash: 9 }) });
    const good = [1, 2, 3].map((i) => toySpec(`good ${i}`, 20));
    await submit(poison, ...good);
    worker();
    worker();
    await untilEnd(poison);
    for (const spec of good) await untilEnd(spec);
    const { state, entries } = await Ledger.open(storage, keyOf(poison));
    expect(state.status).toBe('quarantined');
    expect(state.reason).toMatch(/crashed on host\d and host\d|crashed 3 times on host\d/);
    expect(entries.filter(({ type }) => type === 'crash').length).toBeLessThanOrEqual(3);
    for (const spec of good) await expectToy(storage, spec, join(folder, 'fetched'));
    // What was stored before is kept, and goes on when someone says so.
    expect(state.frames).toBe(8);
    expect(await submit(poison)).toEqual(['failed']);
  });

  it('bad media fails at once, with its reason', async () => {
    const spec = toy('bad media', 24, { at: 10, faults: makeFaults(join(folder, 'bad-media'), { 'bad-media': 1 }) });
    await submit(spec);
    worker();
    await untilEnd(spec);
    expect((await queue.queue.getJob(keyOf(spec)))!.failedReason).toBe('bad media: frame 10 cannot be read');
  });

  it('three crashes in a row: the worker takes no more jobs until its GPU has passed its check', async () => {
    const healthy = join(folder, 'healthy');
    const bad = toy('crashes', 16, { at: 4, faults: makeFaults(join(folder, 'crashes'), { crash: 3 }) });
    const good = toySpec('after the check', 16);
    await submit(bad);
    const only = worker({ healthyFile: healthy });
    await untilNote(only, '3 crashes in a row');
    await submit(good);
    await eventually(
      'five checks of the GPU',
      () => only.events.filter(({ type }) => type === 'check').length,
      (checks) => checks >= 5,
    );
    expect(await ended(good)).toBe(false);
    writeFileSync(healthy, '');
    await untilEnd(good);
    await expectToy(storage, good, join(folder, 'fetched'));
    await untilEnd(bad);
    expect((await Ledger.open(storage, keyOf(bad))).state.status).toBe('quarantined');
  });

  it('SIGTERM: the job is given back with all that is done, and nothing is computed twice', async () => {
    const { spec, open } = gated('drained', 64, 12);
    await submit(spec);
    const first = worker();
    await untilComputed('drained', 12);
    first.signal('SIGTERM');
    await untilSaw(first, 'draining');
    open();
    await first.gone();
    expect(first.saw('end', 'stopped')).toBe(true);
    expect(await queue.queue.getJobState(keyOf(spec))).not.toBe('active');
    // Nor is anything left on its disk.
    expect(readdirSync(join(folder, 'scratch')).filter((name) => name.includes(`-${first.pid}-`))).toEqual([]);
    worker();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    expect(computed('drained')).toBe(64);
  });

  it('SIGTERM while Redis is away: a worker ends, whether it has a job or not', async () => {
    const { spec, open } = gated('drained without redis', 24, 12);
    const idle = worker();
    await submit(spec);
    const busy = worker();
    await untilComputed('drained without redis', 12);
    await redis.kill();
    for (const each of [idle, busy]) each.signal('SIGTERM');
    for (const each of [idle, busy]) await untilSaw(each, 'draining');
    open();
    for (const each of [idle, busy]) await each.gone();
    await redis.up();
    worker();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
    expect(computed('drained without redis')).toBe(24);
  });

  it('a long video gives way to others after a slice, and goes on behind them', async () => {
    const { spec: long, open } = gated('long', 120, 60, { asks: true });
    const short = toySpec('short', 10);
    await submit(long, short);
    const only = worker({ sliceFrames: 16 });
    await untilEnd(short);
    expect(await ended(long)).toBe(false);
    expect(only.events.some(({ outcome }) => (outcome as { reason?: string })?.reason === 'slice')).toBe(true);
    open();
    await untilEnd(long);
    await expectToy(storage, long, join(folder, 'fetched'));
    expect(computed('long')).toBe(120);
  });

  it('a job at work is cancelled from another process, and keeps what it has', async () => {
    const { spec, open } = gated('cancelled', 48, 12);
    await submit(spec);
    worker();
    await untilComputed('cancelled', 12);
    expect(await queue.cancel((await queue.find(keyOf(spec)))!)).toBe('active');
    await untilEnd(spec);
    expect((await queue.queue.getJob(keyOf(spec)))!.failedReason).toBe('cancelled');
    expect(await frames(spec)).toBe(8);
    open();
    await (await queue.queue.getJob(keyOf(spec)))!.retry();
    await untilEnd(spec);
    await expectToy(storage, spec, join(folder, 'fetched'));
  });
});
