import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removeLatest } from '../src/ledger/chunk.js';
import { type Entry, stateOf } from '../src/ledger/entries.js';
import { Ledger } from '../src/ledger/ledger.js';
import { openStorage } from '../src/storage/open.js';
import type { Storage } from '../src/storage/storage.js';
import { temporaryFolder } from './temporary.js';

const folder = temporaryFolder();
const KEY = 'ab'.repeat(32);
let stores = 0;
const freshStorage = () => openStorage(join(folder, `store${stores++}`), { create: true });
const chunk = { object: 'x', bytes: 1, sha256: 'y' };
const claim = (worker: string, attempt = 1, run = 'r', host = worker) => ({ run, attempt, worker, host });

describe('ledger', () => {
  it('belongs to the newest claim: an older one writes nothing any more', async () => {
    const storage = await freshStorage();
    const old = await Ledger.open(storage, KEY);
    await old.claim(claim('a', 1), { what: 1 });
    await old.append({ type: 'commit', frames: 64, chunk });
    const young = await Ledger.open(storage, KEY);
    await young.claim(claim('b', 2), { what: 2 });
    await expect(old.append({ type: 'commit', frames: 128, chunk })).rejects.toMatchObject({ code: 'fenced' });
    await young.append({ type: 'done', frames: 128, seconds: 1, files: [], notes: [] });
    const { state } = await Ledger.open(storage, KEY);
    expect(state).toMatchObject({ status: 'done', frames: 128, spec: { what: 1 } });
    // The end is the end.
    await expect(old.claim(claim('a', 3), {})).rejects.toMatchObject({ code: 'fenced' });
  });

  it('an earlier start of the same run comes too late, whatever its clock says', async () => {
    const storage = await freshStorage();
    const [late, early] = [await Ledger.open(storage, KEY), await Ledger.open(storage, KEY)];
    await late.claim(claim('b', 2), {});
    await expect(early.claim(claim('a', 1), {})).rejects.toMatchObject({ code: 'fenced' });
    await late.append({ type: 'commit', frames: 64, chunk });
  });

  it('takes a write for its own of which only the answer was lost', async () => {
    const storage = await freshStorage();
    const lossy: Storage = Object.create(storage, {
      create: { value: (path: string, data: Uint8Array) => storage.create(path, data).then(() => false) },
    });
    const ledger = await Ledger.open(lossy, KEY);
    await ledger.claim(claim('a'), {});
    await ledger.append({ type: 'commit', frames: 64, chunk });
    expect((await Ledger.open(storage, KEY)).entries.map(({ type }) => type)).toEqual(['claim', 'commit']);
  });

  it('removes states of its own claim and earlier ones, and nothing else', async () => {
    const storage = await freshStorage();
    const digest = 'c'.repeat(32);
    const names = [`1.${digest}`, `2.${digest}`, `3.${digest}`, 'notes.txt', '1abc', `2.${'d'.repeat(32)}`];
    const latest = `jobs/ab/${KEY}/latest`;
    for (const name of names) await storage.write(`${latest}/${name}`, new TextEncoder().encode(name));
    const kept = { path: 'memory.safetensors', object: `${latest}/2.${digest}`, bytes: 1, sha256: digest };
    await removeLatest(storage, KEY, 2, [kept]);
    expect((await storage.list(latest)).sort()).toEqual(['1abc', `2.${digest}`, `3.${digest}`, 'notes.txt']);
  });

  it('names a line that is none', async () => {
    const storage = await freshStorage();
    await storage.write(`jobs/ab/${KEY}/log/000000.json`, new TextEncoder().encode('{"type"'));
    await expect(Ledger.open(storage, KEY)).rejects.toThrow(/log\/000000\.json: not a line of a ledger/);
  });

  it('a failed job ends, and can be tried again', async () => {
    const storage = await freshStorage();
    const ledger = await Ledger.open(storage, KEY);
    await ledger.claim(claim('a'), {});
    await ledger.append({ type: 'failed', code: 'unreadable', message: 'bad media' });
    expect(ledger.state).toMatchObject({ status: 'failed', reason: 'bad media' });
    expect(await ledger.retry()).toBe(true);
    expect(await ledger.retry()).toBe(false);
    expect(ledger.state.status).toBe('open');
  });

  const crash = (host: string, line: number): Entry[] => [
    { type: 'claim', run: 'r', attempt: line, worker: host, host },
    { type: 'crash', claim: line, reason: 'killed' },
  ];

  it.each<[string, Entry[], RegExp | undefined]>([
    ['one crash', crash('a', 0), undefined],
    ['two on one host', [...crash('a', 0), ...crash('a', 2)], undefined],
    ['two hosts', [...crash('a', 0), ...crash('b', 2)], /crashed on a and b: killed/],
    ['three on one host', [...crash('a', 0), ...crash('a', 2), ...crash('a', 4)], /crashed 3 times on a/],
    [
      'progress between',
      [...crash('a', 0), crash('b', 2)[0]!, { type: 'commit', claim: 2, frames: 64, chunk }, crash('b', 2)[1]!],
      undefined,
    ],
    ['machines that vanish', Array.from({ length: 10 }, (_, i) => crash('abcdefghij'[i]!, i)[0]!), /10 workers/],
    [
      'given back',
      Array.from(
        { length: 12 },
        (_, i): Entry => (i % 2 ? { type: 'release', claim: i - 1, reason: 'drain' } : crash('a', i)[0]!),
      ),
      undefined,
    ],
  ])('poison: %s', (_, entries, reason) => {
    const { poison } = stateOf(entries);
    if (reason) expect(poison).toMatch(reason);
    else expect(poison).toBeUndefined();
  });

  it('whatever the order of several workers, committed frames only grow and lines are never lost', async () => {
    const steps = fc.array(fc.tuple(fc.nat(2), fc.constantFrom('claim', 'commit', 'refresh')), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(steps, async (order) => {
        const storage = await freshStorage();
        const workers = await Promise.all([0, 1, 2].map(() => Ledger.open(storage, KEY)));
        let attempt = 0;
        let committed = 0;
        for (const [who, what] of order) {
          const worker = workers[who]!;
          if (what === 'refresh') await worker.refresh();
          if (what === 'claim') await worker.claim(claim(`w${who}`, ++attempt), {});
          if (what !== 'commit') continue;
          try {
            // As a worker does: on top of what it knows.
            await worker.append({ type: 'commit', frames: worker.state.frames + 64, chunk });
            committed++;
          } catch (error) {
            expect(error).toMatchObject({ code: 'fenced' });
          }
        }
        const { state } = await Ledger.open(storage, KEY);
        expect(state.commits).toHaveLength(committed);
        const frames = state.commits.map(({ entry }) => entry.frames);
        expect(frames).toEqual(frames.map((_, i) => 64 * (i + 1)));
      }),
      { numRuns: 25 },
    );
  });
});
