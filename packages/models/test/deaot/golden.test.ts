/**
 * DeAOT against what the published PyTorch implementation computed with the same procedural weights. The fixtures are
 * frames, masks and logits of that run, cut to fit into the repository; `SAMTRACK_GOLDENS` names a folder of whole ones,
 * `NAME.manifest.json` and `NAME.taps.safetensors`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, DEAOT_CONFIGS, type DeAotName, openCheckpoint, openManifest } from '../../src/index.js';
import { VerificationError, verifyDeAot } from '../../src/verify/index.js';
import { deaotManifest } from '../fixtures/deaot/manifest.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/deaot/${name}`, import.meta.url));

/** Compares a model with the taps in a file. */
async function compare(model: DeAotName, manifest: Checkpoint, file: string) {
  const taps = await openCheckpoint(file);
  try {
    return await verifyDeAot(model, manifest, taps);
  } finally {
    await taps.close();
  }
}

describe('DeAOT-T computes what the published implementation does', () => {
  it.each([
    { name: 'three objects', file: 'deaot-t.taps.safetensors', seed: 7, taps: ['frame2.logits4x', 'frame2.label_u8'] },
    {
      name: 'fourteen objects in two groups',
      file: 'deaot-t-14obj.taps.safetensors',
      seed: 13,
      taps: ['frame1.logits4x', 'frame1.label_u8', 'frame2.logits4x', 'frame2.label_u8'],
    },
  ])('$name', async ({ file, seed, taps }) => {
    const before = memory().numTensors;
    const results = await compare('deaot-t', openManifest(deaotManifest({ seed })), fixture(file));
    expect(results.map(({ name }) => name)).toEqual(taps);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    expect(memory().numTensors).toBe(before);
  });

  it('and other weights do not pass', async () => {
    const results = await compare(
      'deaot-t',
      openManifest(deaotManifest({ seed: 8 })),
      fixture('deaot-t-14obj.taps.safetensors'),
    );
    expect(results.filter(({ pass }) => pass)).toEqual([]);
  });

  it('says which tap is missing', async () => {
    const manifest = openManifest(deaotManifest());
    await expect(verifyDeAot('deaot-t', manifest, manifest)).rejects.toThrow(VerificationError);
    await expect(verifyDeAot('deaot-t', manifest, manifest)).rejects.toThrow(/mask0_u8/);
  });
});

const folder = process.env['SAMTRACK_GOLDENS'];
const models = Object.keys(DEAOT_CONFIGS) as DeAotName[];
const stored = (name: string) => folder !== undefined && existsSync(join(folder, `${name}.taps.safetensors`));

describe.skipIf(!folder)(`whole goldens${folder ? '' : ' (SAMTRACK_GOLDENS names no folder)'}`, () => {
  for (const [name, model] of [
    ...models.map((model) => [model, model] as const),
    ['deaot-t-14obj', 'deaot-t'] as const,
  ]) {
    it.skipIf(!stored(name))(
      `${name}${stored(name) ? '' : ' (not in the folder)'}`,
      async () => {
        const manifest = await openCheckpoint(join(folder!, `${name}.manifest.json`));
        const results = await compare(model, manifest, join(folder!, `${name}.taps.safetensors`));
        expect(results.filter(({ pass }) => !pass)).toEqual([]);
        expect(results.length).toBeGreaterThan(10);
      },
      600_000,
    );
  }
});
