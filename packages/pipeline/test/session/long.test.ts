import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { bundle, run } from './child.js';

const FRAMES = 2000;
const BUDGET_MB = 600;

it('a stream of 2,000 frames stays under 600 MB, at constant time a frame', { timeout: 900_000 }, async () => {
  const project = join(temporaryFolder(), 'long.samtrack');
  const program = await bundle(new URL('./long-program.ts', import.meta.url));
  try {
    const { ended, lines } = run(program, [project, DEAOT_T_WEIGHTS, String(FRAMES), String(BUDGET_MB)]);
    expect(await ended).toEqual({ status: 0, err: expect.any(String) });
    const reports = lines.map((line) => JSON.parse(line));
    expect(reports.map(({ frames }) => frames)).toEqual(Array.from({ length: FRAMES / 100 }, (_, i) => 100 * (i + 1)));
    const { used, resident, remembered } = reports.at(-1);
    expect(used).toBeLessThanOrEqual(BUDGET_MB * 1e6);
    // Here the GPU's memory is the process's own: all of it counts, the program and the driver included.
    expect(resident).toBeLessThanOrEqual(BUDGET_MB * 1e6);
    expect(remembered).toBeGreaterThan(0);
    // Of the CPUs, which here are the GPU as well: other programs make a frame longer, but not what it takes.
    const mean = (part: { cpu: number }[]) => part.reduce((sum, { cpu }) => sum + cpu, 0) / part.length;
    expect(mean(reports.slice(15)) / mean(reports.slice(5, 10))).toBeLessThan(1.5);
    expect(statSync(project).size).toBeLessThan(10_000);
  } finally {
    rmSync(program, { force: true });
  }
});
