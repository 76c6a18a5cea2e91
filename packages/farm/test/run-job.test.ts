/** Working on a job, in this process, with the toy program. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type JobSpec, keyOf } from '../src/job/spec.js';
import { jobFolder, Ledger } from '../src/ledger/ledger.js';
import { damageOf, fetchResults } from '../src/results/fetch.js';
import type { Program } from '../src/run/context.js';
import { type Outcome, type RunOptions, runJob } from '../src/run/run-job.js';
import { openStorage } from '../src/storage/open.js';
import type { Storage } from '../src/storage/storage.js';
import { temporaryFolder } from './temporary.js';
import { contents, expectToy, makeFaults, toyPrograms, toySpec } from './toys.js';

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

  it('a done job of which something is damaged is done again, once someone wants it', async () => {
    const storage = await freshStorage();
    const spec = toySpec('touched', 20);
    await run(storage, spec, 'a');
    const ledger = await Ledger.open(storage, keyOf(spec));
    expect(await damageOf(storage, ledger.state)).toBeUndefined();
    await storage.remove(ledger.state.commits[1]!.entry.chunk.object);
    const damage = await damageOf(storage, ledger.state);
    expect(damage).toMatch(/chunks\/.*\.zip: missing/);
    // By itself nothing looks again at what is done.
    expect(await run(storage, spec, 'b')).toMatchObject({ status: 'done', tracked: 0 });
    expect(await ledger.redo(damage!)).toBe(true);
    expect(await run(storage, spec, 'b', {}, 2)).toEqual({ status: 'done', frames: 20, tracked: 12 });
    await expectToy(storage, spec, fetched());
    expect(await ledger.refresh()).toMatchObject({ status: 'done' });
  });

  it('a video that is gone: another worker has a look, whose share may be mounted', async () => {
    const storage = await freshStorage();
    const path = join(folder, 'gone.mp4');
    const spec = { ...toySpec('gone', 20), inputs: [{ path, sha256: createHash('sha256').update('x').digest('hex') }] };
    expect(await run(storage, spec, 'a')).toMatchObject({ status: 'hindered', code: 'not-found' });
    const failed = await run(storage, spec, 'b', {}, 2);
    expect(failed).toMatchObject({ status: 'failed', code: 'not-found', message: expect.stringContaining(path) });
    // When it is there, it is tried again, and while it is read that counts as a sign of life.
    writeFileSync(path, 'x');
    let beats = 0;
    await (await Ledger.open(storage, keyOf(spec))).retry();
    expect(await run(storage, spec, 'b', { onBeat: () => beats++ }, 3)).toMatchObject({ status: 'done' });
    expect(beats).toBeGreaterThan(20);
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

describe('a program whose frames depend on all before', () => {
  const FRAMES = 40;
  /** Remembers in a file of its own what no result tells, every chunk and where it stops; `failsAt` once, without a word. */
  const chained = (failsAt?: number): Program => ({
    replaces: (file) => file === 'state.json',
    async run(_, { folder: results, frame, chunkFrames }) {
      const file = join(results, 'state.json');
      let { memory, next } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { memory: '', next: 0 };
      mkdirSync(join(results, 'masks'), { recursive: true });
      const keep = () => writeFileSync(file, JSON.stringify({ memory, next }));
      for (let tracked = 1; next < FRAMES; tracked++) {
        if (next === failsAt) throw new Error('the GPU was lost');
        memory = createHash('sha256').update(`${memory}${next}`).digest('hex');
        writeFileSync(join(results, 'masks', `${String(next++).padStart(5, '0')}.png`), memory.slice(0, 4));
        const stored = tracked % chunkFrames === 0;
        if (stored) keep();
        try {
          await frame({ done: next, total: FRAMES, tracked, seconds: 1 }, undefined, stored);
        } catch (error) {
          keep();
          throw error;
        }
      }
      rmSync(file, { force: true });
      return { frames: FRAMES, notes: [] };
    },
  });
  const spec = (name: string): JobSpec => ({ kind: 'chained', name, identity: { name }, parameters: {}, inputs: [] });
  const work = (storage: Storage, name: string, attempt: number, failsAt?: number, stopsAt?: number) => {
    let done = 0;
    return run(
      storage,
      spec(name),
      `worker${attempt}`,
      {
        programs: { chained: chained(failsAt) },
        onProgress: (progress) => void ({ done } = progress),
        stopping: () => (done === stopsAt ? 'drain' : undefined),
      },
      attempt,
    );
  };
  const latestOf = (storage: Storage, name: string) => storage.list(`${jobFolder(keyOf(spec(name)))}/latest`);
  async function resultsOf(storage: Storage, name: string) {
    const { state } = await Ledger.open(storage, keyOf(spec(name)));
    const target = fetched();
    await fetchResults(storage, state, target);
    return contents(target);
  }

  it('goes on with what it remembered, of which the latest alone is stored', async () => {
    const storage = await freshStorage();
    expect(await work(storage, 'alone', 1)).toMatchObject({ status: 'done', tracked: FRAMES });
    expect(await work(storage, 'broken', 1, 21)).toMatchObject({ status: 'crashed' });
    expect(await latestOf(storage, 'broken')).toHaveLength(1);
    // It goes on after 16 frames.
    expect(await work(storage, 'broken', 2, undefined, 29)).toMatchObject({
      status: 'stopped',
      frames: 29,
      tracked: 13,
    });
    expect(await latestOf(storage, 'broken')).toHaveLength(1);
    expect(await work(storage, 'broken', 3)).toEqual({ status: 'done', frames: FRAMES, tracked: 11 });
    expect(await resultsOf(storage, 'broken')).toEqual(await resultsOf(storage, 'alone'));
    expect(await latestOf(storage, 'broken')).toEqual([]);
  });

  it.each(['damaged', 'missing'])('begins anew where that is %s, and ends with the same bytes', async (what) => {
    const storage = await freshStorage();
    await work(storage, 'alone', 1);
    await work(storage, 'broken', 1, 21);
    const [state] = await latestOf(storage, 'broken');
    const object = `${jobFolder(keyOf(spec('broken')))}/latest/${state}`;
    if (what === 'missing') await storage.remove(object);
    else await storage.write(object, new TextEncoder().encode('{}'));
    expect(await work(storage, 'broken', 2)).toEqual({ status: 'done', frames: FRAMES, tracked: FRAMES });
    expect(await resultsOf(storage, 'broken')).toEqual(await resultsOf(storage, 'alone'));
    const { entries } = await Ledger.open(storage, keyOf(spec('broken')));
    expect(entries.find(({ type }) => type === 'void')).toMatchObject({
      from: 1,
      reason: expect.stringContaining(state!),
    });
    expect(await latestOf(storage, 'broken')).toEqual([]);
  });
});
