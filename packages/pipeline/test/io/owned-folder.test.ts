import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { type ExportFormat, exportResults, ResultWriter, type ResultWriterOptions } from '../../src/export/index.js';
import {
  contentDigest,
  fileInput,
  type LabelMap,
  OwnedFolder,
  openOutputFolder,
  openSource,
  writeOwnedFile,
} from '../../src/io/index.js';
import { takeLock } from '../../src/io/node/lock-file.js';
import { makeFolder } from '../../src/io/node/make-folder.js';
import { errorOf, temporaryFolder } from './temporary.js';

const root = temporaryFolder();
const fresh = () => mkdtempSync(join(root, 'x-'));
const png = (shade: number) =>
  encode({ width: 4, height: 3, channels: 3, depth: 8, data: new Uint8Array(36).fill(shade) });

/** Everything below a folder: contents of files, targets of links. */
function snapshot(folder: string): Map<string, string> {
  const all = new Map<string, string>();
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    const path = join(folder, name);
    const info = lstatSync(path);
    if (info.isSymbolicLink()) all.set(name, `-> ${readlinkSync(path)}`);
    else if (info.isFile()) all.set(name, readFileSync(path, 'latin1'));
  }
  return all;
}

/** What was there before and is there no longer as it was. */
const lost = (before: Map<string, string>, after: Map<string, string>) =>
  [...before].filter(([name, content]) => after.get(name) !== content).map(([name]) => name);

function makeWorld(): string {
  const world = fresh();
  for (const folder of ['frames/masks', 'frames/sub', 'masks', 'data/masks', 'davis']) {
    mkdirSync(join(world, folder), { recursive: true });
  }
  for (const i of [0, 1, 2]) {
    writeFileSync(join(world, 'frames', `0000${i}.png`), png(40 * i));
    writeFileSync(join(world, 'masks', `0000${i}.png`), png(7 + i));
    writeFileSync(join(world, 'data/masks', `drawn${i}.png`), png(100 + i));
  }
  writeFileSync(join(world, 'davis', '00001.png'), png(3));
  writeFileSync(join(world, 'coco.json'), '{}');
  writeFileSync(join(world, 'data', 'boxes.csv'), 'mine');
  symlinkSync('frames', join(world, 'link'));
  symlinkSync('../masks', join(world, 'frames/sub/masks'));
  symlinkSync('../frames/00001.png', join(world, 'data/masks/00001.png'));
  return world;
}

const FOLDERS = [
  '.',
  'frames',
  'link',
  'link/..',
  'frames/sub',
  'masks',
  'data',
  'davis',
  'data/../frames',
  'new',
  'frames/new',
];
const FORMATS = ['davis', 'png16', 'zip', 'coco', 'csv', 'frames', 'cutout-png', 'new-objects', 'youtube-vos'] as const;

const labels: LabelMap = { width: 4, height: 3, data: Uint16Array.from({ length: 12 }, (_, i) => i % 3) };

async function run(
  world: string,
  source: string,
  options: Omit<ResultWriterOptions, 'source' | 'folder'>,
  out: string,
) {
  const frames = await openSource(join(world, source));
  const writer = await ResultWriter.open({
    folder: openOutputFolder(join(world, out)),
    source: frames,
    overlay: false,
    ...options,
  });
  try {
    for await (const frame of frames) await writer.add(frame, labels);
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

describe('whatever the paths and options', () => {
  const choice = {
    source: fc.constantFrom('frames', 'link', 'data/../frames'),
    out: fc.constantFrom(...FOLDERS),
    masksFolder: fc.constantFrom('masks', '', 'sub/masks'),
    formats: fc.uniqueArray(fc.constantFrom<ExportFormat>(...FORMATS), { maxLength: 3 }),
    existing: fc.constantFrom('error', 'replace', 'resume', 'renew'),
  } as const;

  test('a run changes no byte of what was there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.record(choice), async ({ source, out, ...options }) => {
        const world = makeWorld();
        const before = snapshot(world);
        await run(world, source, options, out).catch(() => {});
        expect(lost(before, snapshot(world))).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  test('a second run replaces only what the first one made and nobody has changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record(choice),
        fc.nat(),
        fc.boolean(),
        async ({ source, out, ...options }, pick, replaces) => {
          const world = makeWorld();
          const before = snapshot(world);
          await run(world, source, { ...options, existing: 'error' }, out).catch(() => {});
          const made = [...snapshot(world)].filter(([name]) => !before.has(name)).map(([name]) => name);
          const edited = made.filter((name) => !name.includes('run.json'))[pick % Math.max(1, made.length)];
          if (edited) writeFileSync(join(world, edited), 'a correction by hand');
          const kept = new Map([...snapshot(world)].filter(([name]) => before.has(name) || name === edited));
          await run(world, source, { ...options, existing: replaces ? 'replace' : 'resume' }, out).catch(() => {});
          expect(lost(kept, snapshot(world))).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('an export changes no byte of what was there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('masks', 'frames', 'data', 'davis', 'new'),
        fc.record(choice),
        async (results, { source, out, formats }) => {
          const world = makeWorld();
          await run(world, source, {}, 'new').catch(() => {});
          const before = snapshot(world);
          const frames = await openSource(join(world, source));
          const from = openOutputFolder(join(world, results));
          const to = openOutputFolder(join(world, out));
          await exportResults({ results: from, folder: to, source: frames, formats }).catch(() => {});
          // The record of the earlier run lists more now.
          before.delete('new/run.json');
          expect(lost(before, snapshot(world))).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('an owned folder', () => {
  test('says what is in the way before anything is written', async () => {
    const world = makeWorld();
    const before = snapshot(world);
    const attempt = (out: string, options: object = {}) => errorOf(() => run(world, 'frames', { ...options }, out));
    expect(await attempt('.', { formats: ['frames'] })).toMatchObject({
      code: 'input',
      message: expect.stringMatching(/lies in .*frames, the source; choose another folder/),
    });
    expect(await attempt('link')).toMatchObject({ code: 'input' });
    expect(await attempt('.', { existing: 'replace' })).toMatchObject({
      code: 'foreign',
      message: expect.stringMatching(/coco\.json: was not made by samtrack/),
    });
    expect(await attempt('data', { coco: false })).toMatchObject({ code: 'foreign' });
    expect(
      await attempt('data', { coco: false, inputs: [fileInput(join(world, 'data/masks/drawn1.png'), 'the mask')] }),
    ).toMatchObject({
      code: 'input',
      message: expect.stringMatching(/drawn1\.png: is the mask/),
    });
    expect(snapshot(world)).toEqual(before);
  });

  test('that nothing can be made in is refused, and folders above it are left as they are', async () => {
    const world = fresh();
    writeFileSync(join(world, 'file'), '');
    const check = (path: string) => OwnedFolder.check(openOutputFolder(join(world, path)), {}, async () => {});
    for (const path of ['file', 'file/a', 'file/a/b'])
      expect(await errorOf(() => check(path))).toMatchObject({ name: 'OutputError', code: 'not-writable' });
    await check('a/b/c');
    expect(readdirSync(world)).toEqual(['file']);
    // /proc is a folder that can hold no others, with an error that says that something above is missing.
    const calls: string[] = [];
    const nowhere = async (path: string) => {
      calls.push(path);
      throw Object.assign(new Error(`ENOENT: no such file or directory, mkdir '${path}'`), { code: 'ENOENT' });
    };
    expect(await errorOf(() => makeFolder(join(world, 'a', 'b'), nowhere))).toMatchObject({ code: 'ENOENT' });
    expect(calls).toEqual([join(world, 'a', 'b'), join(world, 'a')]);
  });

  test('keeps a file that was edited, and names it', async () => {
    const world = makeWorld();
    await run(world, 'frames', {}, 'new');
    writeFileSync(join(world, 'new/masks/00001.png'), png(1));
    for (const existing of ['replace', 'resume'] as const) {
      expect(await errorOf(() => run(world, 'frames', { existing }, 'new'))).toMatchObject({
        code: 'foreign',
        message: expect.stringMatching(/00001\.png: was changed since samtrack made it, and is left alone/),
      });
    }
  });

  test('a run that is killed between listing a file and naming it has lost nothing', async () => {
    const folder = openOutputFolder(join(fresh(), 'out'));
    const first = await OwnedFolder.claim(folder);
    await first.writeFile('a.txt', 'one');
    await first.describe({ complete: false });
    await first.release();
    // As the journal of a run that was killed then, with its last line cut short.
    const digest = await contentDigest({ size: 3, read: async () => new TextEncoder().encode('two') });
    writeFileSync(join(folder.label, '.run.jsonl'), `${JSON.stringify({ path: 'a.txt', digest })}\n{"path":"b.t`);
    const second = await OwnedFolder.claim(folder);
    expect(await second.owned()).toEqual(['a.txt']);
    await second.writeFile('a.txt', 'two');
    await second.writeFile('c.txt', 'new');
    await second.release();
    expect(JSON.parse(readFileSync(join(folder.label, 'run.json'), 'utf8')).files).toEqual({
      'a.txt': digest,
      'c.txt': expect.stringMatching(/^3:[0-9a-f]{64}$/),
    });
    expect(existsSync(join(folder.label, '.run.jsonl'))).toBe(false);
  });

  test('a single file is replaced if samtrack made it', async () => {
    const path = join(fresh(), 'scores.json');
    await writeOwnedFile(path, '1');
    await writeOwnedFile(path, '2');
    expect(readFileSync(path, 'utf8')).toBe('2');
    writeFileSync(path, 'mine');
    expect(await errorOf(() => writeOwnedFile(path, '3'))).toMatchObject({ code: 'foreign' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  test('keeps the lists of runs and of single files apart', async () => {
    const folder = join(fresh(), 'out');
    const killed = await OwnedFolder.claim(openOutputFolder(folder));
    await killed.writeFile('a.txt', 'one');
    // As after a kill: the journal stays, the lock is of a process that is gone.
    rmSync(join(folder, '.samtrack.lock'));
    await writeOwnedFile(join(folder, 'scores.json'), '1');
    const next = await OwnedFolder.claim(openOutputFolder(folder));
    expect(await next.owned()).toEqual(['a.txt']);
    await next.release();
  });

  test('has one writer, and says who', async () => {
    const world = makeWorld();
    const source = await openSource(join(world, 'frames'));
    const folder = openOutputFolder(join(world, 'new'));
    const first = await ResultWriter.open({ folder, source, overlay: false });
    expect(await errorOf(() => ResultWriter.open({ folder, source, overlay: false }))).toMatchObject({
      code: 'busy',
      message: expect.stringMatching(
        new RegExp(`new: process ${process.pid} on .*, since .*, writes to it; if it does not`),
      ),
    });
    await first.abort();
    await run(world, 'frames', {}, 'new');
  });
});

describe('a lock', () => {
  const holder = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

  test.each<[string, (lock: Record<string, unknown>) => Record<string, unknown>, boolean]>([
    ['of a process that is gone', (lock) => ({ ...lock, pid: 2 ** 22 + 1 }), true],
    [
      'of a process whose number another one has now',
      (lock) => ({ ...lock, began: '1' }),
      process.platform === 'linux',
    ],
    ['of a running process', (lock) => lock, false],
    ['of another machine that has just shown that it lives', (lock) => ({ ...lock, host: 'elsewhere' }), false],
    ['of another container', (lock) => ({ ...lock, namespace: 'pid:[1]', pid: 2 ** 22 + 1 }), false],
  ])('%s', async (_, change, isFree) => {
    const path = join(fresh(), 'lock');
    await takeLock(path, 'it');
    writeFileSync(path, JSON.stringify(change(holder(path))));
    if (isFree) return (await takeLock(path, 'it'))();
    expect(await errorOf(() => takeLock(path, 'it'))).toMatchObject({ code: 'busy' });
  });

  test('of another machine that has been silent', async () => {
    const { utimesSync } = await import('node:fs');
    const path = join(fresh(), 'lock');
    await takeLock(path, 'it');
    writeFileSync(path, JSON.stringify({ ...holder(path), host: 'elsewhere' }));
    utimesSync(path, new Date(Date.now() - 200_000), new Date(Date.now() - 200_000));
    await (await takeLock(path, 'it'))();
  });

  test('is taken by one of many who find it abandoned', async () => {
    const path = join(fresh(), 'lock');
    await takeLock(path, 'it');
    writeFileSync(path, JSON.stringify({ ...holder(path), pid: 2 ** 22 + 1 }));
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => takeLock(path, 'it')));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('what a run goes on with', () => {
  async function started(world: string, options: Partial<ResultWriterOptions> = {}) {
    const source = await openSource(join(world, 'frames'), { fps: 24 });
    const writer = await ResultWriter.open({
      folder: openOutputFolder(join(world, 'new')),
      source,
      overlay: false,
      ...options,
    });
    for await (const frame of source.frames({ to: 2 })) await writer.add(frame, labels);
    await writer.abort();
    return writer;
  }
  const change = (world: string, frame: string) => {
    writeFileSync(join(world, 'frames', frame), png(99));
    return {};
  };
  const mask = (digest: string) => ({ mask: { name: 'm.png', digest } });

  test('is the same content under another name', async () => {
    const world = makeWorld();
    await started(world, { identity: mask('1:a') });
    cpSync(join(world, 'frames'), join(world, 'renamed'), { recursive: true });
    const source = await openSource(join(world, 'renamed'));
    const folder = openOutputFolder(join(world, 'new'));
    const identity = { mask: { name: 'copy.png', digest: '1:a' } };
    const writer = await ResultWriter.open({ folder, source, overlay: false, existing: 'resume', identity });
    expect([...writer.done]).toEqual(['00000', '00001']);
    await writer.abort();
  });

  test.each<[string, (world: string) => Partial<ResultWriterOptions> & { fps?: number }, RegExp]>([
    ['a frame', (world) => change(world, '00002.png'), /source "frames" has other content/],
    ['one frame more', (world) => change(world, '00003.png'), /source "frames" has other content/],
    ['a mask of the same name', () => ({ identity: mask('1:b') }), /mask "m\.png" has other content than it had/],
    ['an option', () => ({ identity: { ...mask('1:a'), to: 3 } }), /to was not given and is now 3/],
    ['the bits of masks', () => ({ identity: mask('1:a'), masks: { bits: 16 } }), /bits was "auto" and is now 16/],
    ['frames per second', () => ({ identity: mask('1:a'), fps: 25 }), /source fps was 24 and is now 25/],
  ])('is not another: %s', async (_, change, message) => {
    const world = makeWorld();
    await started(world, { identity: mask('1:a') });
    const { fps = 24, ...options } = { identity: mask('1:a'), ...change(world) };
    const source = await openSource(join(world, 'frames'), { fps });
    const folder = openOutputFolder(join(world, 'new'));
    const before = snapshot(join(world, 'new'));
    const error = await errorOf(() =>
      ResultWriter.open({ folder, source, overlay: false, existing: 'resume', ...options }),
    );
    expect(error).toMatchObject({ code: 'resume-mismatch', message: expect.stringMatching(message) });
    expect(snapshot(join(world, 'new'))).toEqual(before);
  });

  test('large content is known by pieces that reach from its beginning to its end', async () => {
    const size = 1 << 20;
    const at = (changed: number) =>
      contentDigest(
        {
          size,
          read: async (offset, length) =>
            Uint8Array.from({ length }, (_, i) => (offset + i === changed ? 1 : (offset + i) & 127)),
        },
        1 << 16,
      );
    const whole = await at(-1);
    expect(whole).toMatch(/^1048576~/);
    expect(await at(0)).not.toBe(whole);
    expect(await at(size - 1)).not.toBe(whole);
  });
});
