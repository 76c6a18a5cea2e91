import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { bundle, run } from '../session/child.js';

const WEIGHTS = fileURLToPath(new URL('../../../../weights/embedded/deaot-t.safetensors', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'samtrack-start-'));
const at = (name: string) => join(folder, name);
let program: string;
beforeAll(async () => {
  mkdirSync(at('frames'));
  // A square that moves, at the size of the bundled clip.
  const picture = (left: number, channels: 1 | 3, [outside, inside]: readonly [number, number]) => {
    const data = Uint8Array.from({ length: 432 * 240 * channels }, (_, i) => {
      const [x, y] = [Math.floor(i / channels) % 432, Math.floor(i / channels / 432)];
      return x >= left && x < left + 90 && y >= 80 && y < 170 ? inside : outside;
    });
    return encode({ width: 432, height: 240, channels, depth: 8, data });
  };
  for (const i of [0, 1]) writeFileSync(at(`frames/${i}.png`), picture(150 + 10 * i, 3, [60, 200]));
  writeFileSync(at('mask.png'), picture(150, 1, [0, 1]));
  program = await bundle(new URL('./start-up-program.ts', import.meta.url));
});
afterAll(() => {
  vi.unstubAllEnvs();
  for (const path of [program, folder]) rmSync(path, { recursive: true, force: true });
});

/** Milliseconds of CPU time, of all threads, to the first tracked frame; 1400 on two cores of an AMD EPYC. */
const MOST = 3000;

async function firstResult(): Promise<number> {
  const child = run(program, [at('frames'), at('mask.png'), WEIGHTS]);
  expect(await child.ended).toEqual({ status: 0, err: '' });
  return (JSON.parse(child.lines.at(-1)!) as { cpu: number }).cpu;
}

/** Every file, and which one it is. */
const files = () =>
  Object.fromEntries(
    (readdirSync(at('graphs'), { recursive: true }) as string[]).map((name) => [
      name,
      statSync(join(at('graphs'), name)).ino,
    ]),
  );

it('needs little time from the start of the program to the first tracked frame, on graphs that an earlier one compiled', async () => {
  vi.stubEnv('SAMTRACK_GRAPH_CACHE', at('graphs'));
  await firstResult();
  const compiled = files();
  // The encoder, the long-term attention and the rest of a step: graphs of a frame's size.
  expect(Object.keys(compiled).filter((name) => name.endsWith('.onnx')).length).toBeGreaterThanOrEqual(3);
  // CPU time, since other tests run beside this one; it is at least what the clock shows on one core.
  expect(await firstResult()).toBeLessThan(MOST);
  expect(files()).toEqual(compiled);
});
