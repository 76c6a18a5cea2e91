/**
 * Segment Anything against what the published PyTorch implementation computed with the same procedural weights. The fixture
 * is a part of that run that fits into the repository; `SAMTRACK_GOLDENS` names a folder of whole ones,
 * `NAME.manifest.json` and `NAME.taps.safetensors`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint, openManifest } from '../../src/checkpoint/index.js';
import type { SamLoadOptions } from '../../src/sam/model.js';
import { verifySam } from '../../src/verify/sam.js';
import { VerificationError } from '../../src/verify/taps.js';
import { samTinyManifest } from '../fixtures/sam/manifest.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const TAPS = fileURLToPath(new URL('../fixtures/sam/sam-tiny.taps.safetensors', import.meta.url));

async function compare(manifest = samTinyManifest(), options?: SamLoadOptions) {
  const taps = await openCheckpoint(TAPS);
  try {
    return await verifySam(openManifest(manifest), taps, options);
  } finally {
    await taps.close();
  }
}

describe('a small SAM computes what the published implementation does', () => {
  it.each([
    ['with our kernels', {}],
    ['with stock operations', { ops: stockOps }],
  ])('%s', { timeout: 600_000 }, async (_, options) => {
    const before = memory().numTensors;
    const results = await compare(samTinyManifest(), options);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    expect(results.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'dense_pe_sub',
        'point1.sparse',
        'point1.multi.low_res',
        'point1.multi.iou',
        'point1.multi.mask_sub',
        'point1.multi.mask_sub > 0',
        'points3.single.low_res',
        'box.single.low_res',
        'box_point.single.low_res',
        'mask_prompt.single.low_res',
      ]),
    );
    expect(memory().numTensors).toBe(before);
  });

  it('and other weights do not pass', async () => {
    const results = await compare({ ...samTinyManifest(), seed: 22 });
    expect(results.filter(({ pass }) => pass).map(({ name }) => name)).toEqual([]);
  });

  it('says what a file of taps lacks', async () => {
    const manifest = openManifest(samTinyManifest());
    await expect(verifySam(manifest, manifest)).rejects.toThrow(VerificationError);
    await expect(verifySam(manifest, manifest)).rejects.toThrow('no taps of Segment Anything');
  });
});

describe('the whole goldens', () => {
  const folder = process.env['SAMTRACK_GOLDENS'];
  for (const name of ['sam-tiny', 'sam-vit-b', 'mobile-sam']) {
    const file = (kind: string) => join(folder ?? '', `${name}.${kind}`);
    const there = folder !== undefined && existsSync(file('manifest.json'));
    it.skipIf(!there)(
      `${name}${there ? '' : ' (set SAMTRACK_GOLDENS to run it)'}`,
      { timeout: 1_800_000 },
      async () => {
        const [manifest, taps] = [
          await openCheckpoint(file('manifest.json')),
          await openCheckpoint(file('taps.safetensors')),
        ];
        try {
          const results = await verifySam(manifest, taps);
          expect(results.filter(({ pass }) => !pass)).toEqual([]);
        } finally {
          await taps.close();
          await manifest.close();
        }
      },
    );
  }
});
