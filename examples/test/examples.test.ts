import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { encode } from 'fast-png';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';

const SIZE = { width: 65, height: 49 };
const folder = mkdtempSync(join(tmpdir(), 'samtrack-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...parts: string[]) => join(folder, ...parts);

const argv = process.argv;
afterEach(() => {
  process.argv = argv;
  vi.restoreAllMocks();
});

/** Runs an example as `node NAME.mjs ARGS` does. @returns what it printed, line by line */
async function run(name: string, ...args: string[]): Promise<string[]> {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line) => lines.push(String(line)));
  process.argv = [process.execPath, `${name}.mjs`, ...args];
  vi.resetModules();
  await import(`../${name}.mjs`);
  vi.restoreAllMocks();
  return lines;
}

/** A bright block that moves over a dark ground by two pixels a frame; its mask. */
function writeClip(frames: string, masks: string, count: number): void {
  for (const path of [frames, masks]) mkdirSync(path, { recursive: true });
  const { width, height } = SIZE;
  for (let i = 0; i < count; i++) {
    const inside = (x: number, y: number) => x >= 12 + 2 * i && x < 30 + 2 * i && y >= 12 && y < 36;
    const rgb = new Uint8Array(3 * width * height);
    const ids = new Uint8Array(width * height);
    for (let p = 0; p < ids.length; p++) {
      const [x, y] = [p % width, Math.floor(p / width)];
      ids[p] = inside(x, y) ? 1 : 0;
      rgb.set(ids[p] ? [240, 180, 40] : [20 + x, 40, 60 + y], 3 * p);
    }
    writeFileSync(join(frames, `0000${i}.png`), encode({ width, height, channels: 3, depth: 8, data: rgb }));
    const palette = Array.from({ length: 256 }, (_, id) => [id, 0, 0]);
    writeFileSync(join(masks, `0000${i}.png`), encode({ width, height, channels: 1, depth: 8, data: ids, palette }));
  }
}

describe('the examples', () => {
  it('one kernel in a plain tfjs program', async () => {
    const [line] = await run('kernel');
    const [, fused, stock] = /fused ([\d.]+), stock ([\d.]+)$/.exec(line!)!.map(Number);
    expect(fused).toBeGreaterThan(1);
    expect(fused).toBeCloseTo(stock!, 4);
  });

  it('track, then evaluate what it wrote', async () => {
    writeClip(at('frames'), at('davis', 'Annotations', '480p', 'clip'), 5);
    const mask = at('davis', 'Annotations', '480p', 'clip', '00000.png');
    const lines = await run('track', at('frames'), mask, at('results', 'clip'));
    expect(lines.map((line) => line.slice(0, 5))).toEqual(['00000', '00001', '00002', '00003', '00004', 'look ']);
    expect(readdirSync(at('results', 'clip')).filter((name) => name.endsWith('.png'))).toHaveLength(5);
    // Nothing is left to do.
    expect((await run('track', at('frames'), mask, at('results', 'clip'))).length).toBe(1);

    const scores = await run('evaluate', at('davis'), at('results'));
    expect(scores).toHaveLength(2);
    const jf = Number(/^clip: J&F ([\d.]+)$/.exec(scores[0]!)![1]);
    // Copying the first mask would score 60.
    expect(jf).toBeGreaterThan(80);
    expect(jf).toBeLessThanOrEqual(100);
  });

  it.each(['kernel', 'track', 'evaluate'])('%s is bundled for a browser without anything of Node', async (name) => {
    const { metafile } = await build({
      entryPoints: [fileURLToPath(new URL(`../${name}.mjs`, import.meta.url))],
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      conditions: ['samtrack-source', 'browser'],
      loader: { '.wgsl': 'text' },
      logLevel: 'silent',
    });
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
    expect(
      imports.filter(({ path, external }) => (external && path !== '<runtime>') || path.startsWith('node:')),
    ).toEqual([]);
    const nodeOnly = /packages\/[^/]+\/src\/.*\/node\/|node_modules\/(webgpu|sharp|node-av|@mediabunny\/server)\//;
    expect(Object.keys(metafile.inputs).filter((path) => nodeOnly.test(path))).toEqual([]);
  });
});
