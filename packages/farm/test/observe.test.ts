/** What a farm shows: tables, metrics, traces, the board. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyOf } from '../src/job/spec.js';
import { openBoard } from '../src/observe/board.js';
import { MetricsServer } from '../src/observe/metrics.js';
import { Pace, snapshotOf, watchTable } from '../src/observe/table.js';
import { openTraces } from '../src/observe/traces.js';
import { connect } from '../src/queue/connection.js';
import { FarmQueue } from '../src/queue/farm-queue.js';
import { openStorage } from '../src/storage/open.js';
import type { Storage } from '../src/storage/storage.js';
import type { Executor } from '../src/worker/executor.js';
import { Supervisor, type SupervisorEvent } from '../src/worker/supervisor.js';
import { eventually } from './eventually.js';
import { hasRedis, TestRedis } from './redis.js';
import { temporaryFolder } from './temporary.js';
import { toySpec } from './toys.js';

const folder = temporaryFolder();

describe('samtrack jobs watch', () => {
  const counts = { waiting: 7, active: 2, held: 0, completed: 3, failed: 1 };
  it('shows frames per second and time left of what is at work', () => {
    const active = [
      {
        id: 'abcdef0123456789',
        name: 'dog',
        kind: 'track',
        report: { done: 40, total: 100, tracked: 20, seconds: 10, host: 'one' },
      },
      { id: '0123456789abcdef', name: 'cat', kind: 'track', report: {} },
    ];
    expect(watchTable({ counts, active }, 125)).toEqual([
      '3 done, 2 at work, 7 waiting, 1 failed; about 2 min 05 s left',
      '',
      'job           name   kind  frames   fps  left  host',
      '0123456789ab  cat   track',
      'abcdef012345  dog   track  40/100  2.00  30 s   one',
    ]);
  });

  it('tells from what was done how long the rest takes', () => {
    const pace = new Pace();
    expect(pace.left({ counts, active: [] })).toBeUndefined();
    expect(pace.left({ counts: { ...counts, completed: 6 }, active: [] })).toBeGreaterThan(0);
  });
});

describe.skipIf(!hasRedis)('observation', () => {
  let redis: TestRedis;
  let storage: Storage;
  beforeAll(async () => {
    redis = await TestRedis.start();
    storage = await openStorage(join(folder, 'storage'), { create: true });
  });
  afterAll(() => redis.stop());

  /** Tells of 300 frames in three steps, and is done when it may. */
  const executor = (done: Promise<void>): Executor => ({
    async run(_, onProgress) {
      for (const done of [100, 200, 300]) onProgress({ done, total: 300, tracked: done, seconds: done / 50 });
      await done;
      return { status: 'done', frames: 300, tracked: 300 };
    },
    stop: () => {},
    close: async () => {},
  });

  it('a job is seen in the table, in the metrics, and as spans from its submission to its end', async () => {
    const bodies: string[] = [];
    const collector = createServer(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      bodies.push(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const traces = await openTraces(`http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`, 'test');
    const queue = new FarmQueue(await connect({ redis: redis.url, queue: '' }), 'seen', traces.telemetry);
    const connection = await connect({ redis: redis.url, queue: '' });
    const metrics = await MetricsServer.open({ host: '127.0.0.1', port: 0 }, connection, 'seen');
    const events: SupervisorEvent[] = [];
    let finish = () => {};
    const watched = new Promise<void>((resolve) => (finish = resolve));
    const supervisor = new Supervisor({
      redis: connection,
      queue: 'seen',
      storage,
      executor: executor(watched),
      host: 'one',
      healthy: async () => true,
      telemetry: traces.telemetry,
      onEvent: (event) => {
        events.push(event);
        metrics.take(event);
      },
    });
    const spec = toySpec('seen', 300);
    await queue.submit(storage, [{ spec }]);
    expect(await (await fetch(metrics.url)).text()).toMatch(/samtrack_queue_jobs\{state="prioritized"\} 1/);
    void supervisor.run();
    await eventually(
      'a report of the job at work',
      () => snapshotOf(queue),
      ({ active }) => active[0]?.report.done !== undefined,
    );
    expect((await snapshotOf(queue)).active[0]?.report).toMatchObject({ total: 300, host: 'one' });
    finish();
    await eventually(
      'the end of the job',
      () => queue.queue.getJobState(keyOf(spec)),
      (state) => state === 'completed',
    );
    await eventually('the event of its end', () => events.some(({ type }) => type === 'end'));

    const text = await (await fetch(metrics.url)).text();
    expect(text).toMatch(/^samtrack_frames_total 300$/m);
    expect(text).toMatch(/^samtrack_jobs_total\{outcome="done"\} 1$/m);
    expect(text).toMatch(/^samtrack_frames_per_second 50$/m);
    expect(text).toMatch(/^samtrack_worker_busy 0$/m);
    expect((await fetch(metrics.url.replace('/metrics', '/'))).status).toBe(404);

    await supervisor.drain();
    await queue.close();
    await metrics.close();
    connection.disconnect();
    await traces.close();
    collector.close();
    const spans = bodies
      .flatMap((body) => JSON.parse(body).resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap((scope) => scope.spans as { name: string; traceId: string }[]);
    const added = spans.find(({ name }) => name.startsWith('addBulk'));
    const processed = spans.find(({ name }) => name.startsWith('process'));
    expect(processed?.traceId).toBe(added?.traceId);
    expect(added).toBeDefined();
  });

  it('bull-board is served on the loopback address', async () => {
    const queue = new FarmQueue(await connect({ redis: redis.url, queue: '' }), 'board');
    await queue.submit(storage, [{ spec: toySpec('boarded', 1) }]);
    const board = await openBoard(queue, 0);
    expect(board.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await (await fetch(board.url)).text()).toMatch(/<title>/i);
    expect(JSON.stringify(await (await fetch(`${board.url}api/queues`)).json())).toContain('"prioritized":1');
    await board.close();
    await queue.close();
  });
});
