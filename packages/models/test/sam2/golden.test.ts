/**
 * SAM 2.1 against what the published PyTorch implementation computed with the same procedural weights: images, and two runs of the
 * video engine event by event, with late objects, corrections, both directions and removal. The fixture is a part of that run
 * that fits into the repository; `SAMTRACK_GOLDENS` names a folder of whole ones, `NAME.manifest.json` and `NAME.taps.safetensors`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint, openManifest } from '../../src/checkpoint/index.js';
import type { Sam2LoadOptions } from '../../src/sam2/model.js';
import { verifySam2 } from '../../src/verify/index.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const FIXTURES = fileURLToPath(new URL('../fixtures/sam2', import.meta.url));

/** @param without parts of the manifest that are left out, and not run */
async function compare(
  folder: string,
  name: string,
  options?: Sam2LoadOptions & { runs?: readonly string[] },
  without: readonly string[] = [],
) {
  const file = join(folder, `${name}.manifest.json`);
  const parts = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>);
  const manifest = openManifest(Object.fromEntries(parts.filter(([part]) => !without.includes(part))), file);
  const taps = await openCheckpoint(join(folder, `${name}.taps.safetensors`));
  try {
    return await verifySam2(manifest, taps, options);
  } finally {
    await taps.close();
    await manifest.close();
  }
}

describe('a small SAM 2.1 computes what the published implementation does', () => {
  it('with our kernels, in all runs', { timeout: 600_000 }, async () => {
    const before = memory().numTensors;
    const results = await compare(FIXTURES, 'sam2-mini');
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    const names = results.map(({ name }) => name);
    for (const expected of [
      'enc.block7',
      'image.s1',
      'image.mask_prompt.single.low_res',
      'amg.area',
      'A.e03.f2.o1.low_res',
      'A.e03.preflight.f0.o1.maskmem',
      'B.e06.f3.video_mask_bits',
      'B.e09.frame_order',
      'B.e11.o0.non_cond',
    ]) {
      expect(names).toContain(expected);
    }
    expect(memory().numTensors).toBe(before);
  });

  it('with stock operations, in images and one run', { timeout: 600_000 }, async () => {
    // Segmenting everything asks for nothing else of the operations, and often.
    const results = await compare(FIXTURES, 'sam2-mini', { ops: stockOps, runs: ['A'] }, ['amg_config']);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
  });
});

const goldens = process.env['SAMTRACK_GOLDENS'];

describe.skipIf(!goldens)('whole goldens', () => {
  it.each(['sam2-mini', 'sam2.1-hiera-tiny'])('%s', { timeout: 3_600_000 }, async (name) => {
    if (!existsSync(join(goldens!, `${name}.manifest.json`))) return;
    const results = await compare(goldens!, name);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
  });
});
