/** Runs that stop in the middle and go on, with trackers that remember more than masks tell: the same bytes as without a break. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemorySource, openSnapshot } from '@samtrack/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ResultSummary, ResultWriter } from '../../src/export/index.js';
import { type LabelMap, openSource } from '../../src/io/index.js';
import { nodeFiles, openOutputFolder } from '../../src/io/node/output-folder.js';
import {
  type FolderProgress,
  RunMemory,
  trackToFolder,
  VideoTracker,
  type VideoTrackerOptions,
} from '../../src/tracking/index.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeMask, writeDeaotL, writeFrames, writeMask } from './scene.js';

const folder = temporaryFolder();
const SIZE = { width: 48, height: 32 };
const FRAMES = 22;
const frames = writeFrames(join(folder, 'frames'), FRAMES, SIZE);
const deaotL = writeDeaotL(folder);
const SAM2_MINI = fileURLToPath(new URL('../../../models/test/fixtures/sam2/sam2-mini.manifest.json', import.meta.url));

/** Files of a run but for what tells when and how long. */
function resultsOf(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && entry.name !== 'run.json')
    .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(out, name)).toString('base64')]));
}

/** What is on disk at a moment, as a process that is killed leaves it. */
function killedAt(out: string, name: string): string {
  const copy = join(folder, name);
  cpSync(out, copy, { recursive: true, filter: (path) => basename(path) !== '.samtrack.lock' });
  return copy;
}

interface RunOptions {
  onProgress?: (progress: FolderProgress) => void;
  signal?: AbortSignal;
  build?: string;
  files?: typeof nodeFiles;
  firstMask?: LabelMap;
}

async function run(
  tracker: VideoTracker,
  out: string,
  { files, build, firstMask = makeMask(SIZE), ...more }: RunOptions = {},
): Promise<ResultSummary & { error?: unknown }> {
  const source = await openSource(frames);
  tracker.restart();
  try {
    const writer = await ResultWriter.open({
      folder: openOutputFolder(out, files),
      source,
      overlay: false,
      existing: 'resume',
      identity: { model: 'x' },
    });
    const memory = await RunMemory.open(tracker, writer, build);
    const options = { source, tracker, firstMask, writer, memory, memoryFrames: 4, ...more };
    const { summary, error } = await trackToFolder(options);
    return { ...summary, error };
  } finally {
    await source.close();
  }
}

it('the default model, whose masks tell all, goes on with the same bytes and stores nothing else', async () => {
  using tracker = await VideoTracker.load({ engine: 'cpu' });
  // Small, so that it is looked at closely where the tracker does that.
  const firstMask = makeMask(SIZE);
  firstMask.data = firstMask.data.map((_, i) => {
    const [x, y] = [i % SIZE.width, Math.floor(i / SIZE.width)];
    return x >= 20 && x < 28 && y >= 12 && y < 20 ? 1 : 0;
  });
  const copies: string[] = [];
  const onProgress = ({ done }: FolderProgress) => {
    if ([2, 9, 15].includes(done)) copies.push(killedAt(join(folder, 'default'), `default ${done}`));
  };
  await run(tracker, join(folder, 'default'), { firstMask, onProgress });
  const undisturbed = resultsOf(join(folder, 'default'));
  expect(copies).toHaveLength(3);
  for (const copy of copies) {
    expect(existsSync(join(copy, 'memory.safetensors'))).toBe(false);
    expect(await run(tracker, copy, { firstMask })).toMatchObject({ frames: FRAMES, complete: true });
    expect(resultsOf(copy)).toEqual(undisturbed);
  }
});

describe.each<[string, VideoTrackerOptions]>([
  ['DeAOT-L on the GPU', { model: 'deaot-l', weights: deaotL, engine: 'webgpu' }],
  ['DeAOT-L on the CPU', { model: 'deaot-l', weights: deaotL, engine: 'cpu' }],
  ['label propagation on the GPU', { tracker: 'propagation', weights: DEAOT_T_WEIGHTS, engine: 'webgpu' }],
  ['label propagation on the CPU', { tracker: 'propagation', weights: DEAOT_T_WEIGHTS, engine: 'cpu' }],
  ['SAM 2.1 on the CPU', { tracker: 'sam2.1-tiny', weights: SAM2_MINI, engine: 'cpu' }],
])('%s', (name, options) => {
  let tracker: VideoTracker;
  let undisturbed: Record<string, string>;
  /** Folders as they are when the run is killed in frame 15, and stopped at frame 10. */
  let killed: string;
  const at = (what: string) => join(folder, `${what} ${name}`);
  beforeAll(async () => {
    // Memory is full on the way, so that frames are dropped from it.
    tracker = await VideoTracker.load({ ...options, longTermGap: 2, memoryMB: 1.2 });
    const out = at('undisturbed');
    const onProgress = ({ done }: FolderProgress) => {
      if (done === 15) killed = killedAt(out, `killed ${name}`);
    };
    expect(await run(tracker, out, { onProgress })).toMatchObject({ frames: FRAMES, complete: true, warnings: [] });
    undisturbed = resultsOf(out);
    expect(new Set(Object.values(undisturbed)).size).toBeGreaterThan(FRAMES / 2);
  });
  afterAll(() => tracker.dispose());

  it('goes on with the same bytes after it was killed', async () => {
    expect(existsSync(join(killed, 'memory.safetensors'))).toBe(true);
    const out = killedAt(killed, `resumed ${name}`);
    const seen: number[] = [];
    const onProgress = ({ tracked }: FolderProgress) => void seen.push(tracked);
    expect(await run(tracker, out, { onProgress })).toMatchObject({ frames: FRAMES, complete: true, warnings: [] });
    // It was stored after 4, 8 and 12 tracked frames, or less often and later on a slow disk: what it is up to is not tracked again.
    const memory = new Uint8Array(readFileSync(join(killed, 'memory.safetensors')));
    const { state } = await openSnapshot(new MemorySource(memory, 'memory.safetensors'));
    const { frame } = state as { frame: number };
    expect(frame).toBeGreaterThanOrEqual(4);
    expect(seen.at(-1)).toBe(FRAMES - 1 - frame);
    expect(resultsOf(out)).toEqual(undisturbed);
  });

  it('goes on with the same bytes after it was stopped, twice, and tracks nothing twice', async () => {
    const out = at('stopped');
    let tracked = 0;
    for (const stop of [10, 13, FRAMES]) {
      const stopping = new AbortController();
      const onProgress = (progress: FolderProgress) => {
        if (progress.done === stop) stopping.abort();
        if (progress.done <= stop) tracked += progress.tracked > 0 ? 1 : 0;
      };
      await run(tracker, out, { onProgress, signal: stopping.signal });
    }
    expect(tracked).toBe(FRAMES - 1);
    expect(resultsOf(out)).toEqual(undisturbed);
  });

  // Engines differ in what they remember; how it is stored and missed is looked at on one of them.
  if (options.engine === 'webgpu') return;

  it('goes on from the masks where what is stored is damaged, of another build or without all masks, and says so', async () => {
    const damaged = killedAt(killed, `damaged ${name}`);
    const memory = readFileSync(join(damaged, 'memory.safetensors'));
    memory[memory.length >> 1]! ^= 1;
    writeFileSync(join(damaged, 'memory.safetensors'), memory);
    const { warnings, ...rest } = await run(tracker, damaged);
    expect(rest).toMatchObject({ frames: FRAMES, complete: true, error: undefined });
    expect(warnings[0]).toMatch(/from the stored masks alone, .*memory\.safetensors is damaged: its checksum/);

    const other = killedAt(killed, `other ${name}`);
    expect(await run(tracker, other, { build: '2.0' })).toMatchObject({
      frames: FRAMES,
      complete: true,
      warnings: [expect.stringMatching(/of another version/)],
    });

    const incomplete = killedAt(killed, `incomplete ${name}`);
    rmSync(join(incomplete, 'masks', '00006.png'));
    expect(await run(tracker, incomplete)).toMatchObject({ frames: FRAMES, complete: true, error: undefined });
    expect(Object.keys(resultsOf(incomplete))).toEqual(Object.keys(undisturbed));
  });

  it('loses nothing where the disk has no room for it', async () => {
    const open: typeof nodeFiles.open = (path, ...rest) =>
      String(path).includes('memory.safetensors')
        ? Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
        : nodeFiles.open(path, ...rest);
    const out = at('full');
    const { warnings, ...rest } = await run(tracker, out, { files: { ...nodeFiles, open } });
    expect(rest).toMatchObject({ frames: FRAMES, complete: true });
    expect(warnings).toEqual([expect.stringMatching(/what the tracker remembers could not be stored: .*no space/)]);
    expect(resultsOf(out)).toEqual(undisturbed);
  });
});

/** Loaded before the program: ends it, as kill -9 does, at the fifth file that is finished after what the tracker remembers. */
const KILLING = `data:text/javascript,${encodeURIComponent(`
  import files from 'node:fs/promises';
  import { syncBuiltinESMExports } from 'node:module';
  const { rename } = files;
  let left = Number.POSITIVE_INFINITY;
  files.rename = async (from, to) => {
    await rename(from, to);
    if (to.endsWith('memory.safetensors')) left = 5;
    else if (--left === 0) process.kill(process.pid, 'SIGKILL');
  };
  syncBuiltinESMExports();
`)}`;

it('samtrack track, killed with -9 and resumed, leaves the bytes of one run', { timeout: 240_000 }, async () => {
  const bin = fileURLToPath(new URL('../../bin/samtrack.mjs', import.meta.url));
  const mask = writeMask(join(folder, 'mask.png'), makeMask(SIZE));
  const long = writeFrames(join(folder, 'long'), 80, SIZE);
  const samtrack = (out: string, kill: boolean, ...more: string[]) =>
    new Promise<string>((resolve, reject) => {
      const argv = [bin, 'track', long, '--mask', mask, '--model', 'deaot-l', '--weights', deaotL, '--engine', 'cpu'];
      const loaded = kill ? ['--import', KILLING] : [];
      const child = spawn(process.execPath, [...loaded, ...argv, '--no-overlay', '--out', out, ...more], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (text) => (said += text));
      child.on('close', (status, signal) => {
        const expected = kill ? signal === 'SIGKILL' : status === 0;
        if (expected) resolve(said);
        else reject(new Error(`status ${status}, signal ${signal}: ${said}`));
      });
    });
  const [alone, out] = [join(folder, 'alone'), join(folder, 'killed')];
  await samtrack(alone, false);
  await samtrack(out, true);
  const left = readdirSync(join(out, 'masks')).length;
  expect(left).toBeGreaterThanOrEqual(65);
  expect(left).toBeLessThan(80);
  await samtrack(out, false, '--resume');
  expect(resultsOf(out)).toEqual(resultsOf(alone));
});
