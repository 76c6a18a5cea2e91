/** Working on a job, in this process, with the toy program. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type JobSpec, keyOf } from '../src/job/spec.js';
import { Ledger } from '../src/ledger/ledger.js';
import { type Outcome, type RunOptions, runJob } from '../src/run/run-job.js';
import { openStorage } from '../src/storage/open.js';
import type { Storage } from '../src/storage/storage.js';
import { temporaryFolder } from './temporary.js';
import { expectToy, makeFaults, toyPrograms, toySpec } from './toys.js';

const folder = temporaryFolder();
let stores = 0;
const freshStorage = () => openStorage(join(folder, `store${stores++}`), { create: true });
const fetched = () => join(folder, `fetched${stores++}`);

function run(
  storage: Storage,
  spec: JobSpec,
  worker: string,
  more: Partial<RunOptions> = {},
  attempt = 1,
): Promise<Outcome> {
  return runJob(
    { spec, run: 'run', attempt, worker, host: worker },
    {
      storage,
      programs: toyPrograms(),
      scratch: join(folder, 'scratch'),
      signal: new AbortController().signal,
      stopping: () => undefined,
      onBeat: () => {},
      onProgress: () => {},
      isFinal: (error): error is Error => (error as Error).name === 'SourceError',
      isLocal: () => false,
      chunkFrames: 8,
      ...more,
    },
  );
}

describe('a job', () => {
  it('is done once: another one with equal content finds its results', async () => {
    const storage = await freshStorage();
    const spec = toySpec('once', 20);
    expect(await run(storage, spec, 'a')).toEqual({ status: 'done', frames: 20, tracked: 20 });
    expect(await run(storage, { ...spec, name: 'another name' }, 'b')).toEqual({
      status: 'done',
      frames: 20,
      tracked: 0,
    });
    await expectToy(storage, spec, fetched());
    // One line and archive for every eight frames, and one for the rest.
    const { entries } = await Ledger.open(storage, keyOf(spec));
    expect(entries.map(({ type }) => type)).toEqual(['claim', 'commit', 'commit', 'done']);
  });

  it('stops at a frame with all of it stored, and goes on from there to the same bytes', async () => {
    const storage = await freshStorage();
    const spec = toySpec('stopped', 40);
    let frames = 0;
    const stopped = await run(storage, spec, 'a', {
      onProgress: ({ done }) => (frames = done),
      stopping: () => (frames === 21 ? 'drain' : undefined),
    });
    expect(stopped).toEqual({ status: 'stopped', reason: 'drain', frames: 21, tracked: 21 });
    expect(await run(storage, spec, 'b', {}, 2)).toEqual({ status: 'done', frames: 40, tracked: 19 });
    await expectToy(storage, spec, fetched());
  });

  it('on two workers at once: one of them finishes it, the other one has written nothing of it since', async () => {
    const storage = await freshStorage();
    const spec = toySpec('twice', 64, { pauseMs: 2 });
    const outcomes = await Promise.all([run(storage, spec, 'a', {}, 1), run(storage, spec, 'b', {}, 2)]);
    const statuses = outcomes.map(({ status }) => status).sort();
    expect([
      ['done', 'fenced'],
      ['done', 'done'],
    ]).toContainEqual(statuses);
    await expectToy(storage, spec, fetched());
    const { entries } = await Ledger.open(storage, keyOf(spec));
    expect(entries.filter(({ type }) => type === 'done')).toHaveLength(1);
    const claims = entries.flatMap((entry, line) => (entry.type === 'claim' ? [line] : []));
    for (const [line, entry] of entries.entries()) {
      if ('claim' in entry) expect(entry.claim).toBe(claims.filter((claim) => claim < line).at(-1));
    }
  });

  it('gives up a stored chunk that is damaged or missing, and computes it again', async () => {
    const storage = await freshStorage();
    const spec = toySpec('damaged', 40);
    let frames = 0;
    await run(storage, spec, 'a', {
      onProgress: ({ done }) => (frames = done),
      stopping: () => (frames === 30 ? 'drain' : undefined),
    });
    const { commits } = (await Ledger.open(storage, keyOf(spec))).state;
    await storage.write(commits[1]!.entry.chunk.object, new Uint8Array(10));
    expect(await run(storage, spec, 'b', {}, 2)).toEqual({ status: 'done', frames: 40, tracked: 32 });
    await expectToy(storage, spec, fetched());
  });

  it('bad media is final, and said', async () => {
    const storage = await freshStorage();
    const spec = toySpec('bad', 20, { at: 12, faults: makeFaults(join(folder, 'bad'), { 'bad-media': 1 }) });
    expect(await run(storage, spec, 'a')).toEqual({
      status: 'failed',
      code: 'unreadable',
      message: 'bad: frame 12 cannot be read',
    });
    expect(await run(storage, spec, 'b', {}, 2)).toMatchObject({
      status: 'failed',
      message: 'bad: frame 12 cannot be read',
    });
    await (await Ledger.open(storage, keyOf(spec))).retry();
    expect(await run(storage, spec, 'b', {}, 3)).toMatchObject({ status: 'done', tracked: 12 });
    await expectToy(storage, spec, fetched());
  });

  it('what nobody foresaw is no failure of the job', async () => {
    const storage = await freshStorage();
    const spec = toySpec('lost', 20, { at: 12, faults: makeFaults(join(folder, 'lost'), { 'device-lost': 1 }) });
    expect(await run(storage, spec, 'a')).toMatchObject({ status: 'crashed' });
    expect(await run(storage, spec, 'b', {}, 2)).toMatchObject({ status: 'done', tracked: 12 });
    await expectToy(storage, spec, fetched());
  });

  it('an input that has changed since is refused', async () => {
    const storage = await freshStorage();
    const spec = { ...toySpec('changed', 20), inputs: [{ path: join(folder, 'store0'), sha256: 'another' }] };
    expect(await run(storage, spec, 'a')).toMatchObject({ status: 'failed', code: 'changed-input' });
  });

  it('a kind that the worker does not know is named', async () => {
    const spec = { ...toySpec('x', 1), kind: 'unknown' };
    expect(await run(await freshStorage(), spec, 'a')).toMatchObject({
      message: 'x: this worker knows no jobs of kind "unknown"',
    });
  });
});
