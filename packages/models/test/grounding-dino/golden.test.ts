/**
 * Grounding DINO against what the published PyTorch implementation computed with the same procedural weights. The fixture is
 * that run's `gdino-mini` with every n-th token or channel of most intermediates; `SAMTRACK_GOLDENS` names a folder of whole
 * ones, `NAME.manifest.json` and `NAME.taps.safetensors`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, openCheckpoint, openManifest } from '../../src/index.js';
import { groundingDinoManifest, MINI_CONFIG } from '../../src/testing/index.js';
import { VerificationError, verifyGroundingDino } from '../../src/verify/index.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const FIXTURE = fileURLToPath(new URL('../fixtures/grounding-dino/mini.taps.safetensors', import.meta.url));

/** Compares a model with the taps in a file. */
async function compare(manifest: Checkpoint, file: string) {
  const taps = await openCheckpoint(file);
  try {
    return await verifyGroundingDino(manifest, taps);
  } finally {
    await taps.close();
  }
}

describe('Grounding DINO computes what the published implementation does', () => {
  it('in two layers of everything', async () => {
    const before = memory().numTensors;
    const results = await compare(openManifest(groundingDinoManifest(MINI_CONFIG, 41)), FIXTURE);
    expect(results.map(({ name }) => name)).toEqual([
      ...['input_proj0', 'input_proj1', 'input_proj2', 'input_proj3', 'text.feat_map', 'input_ids'],
      ...['enc0.image', 'enc1.text', 'enc1.image', 'two_stage.memory', 'dec0.out', 'dec1.out'],
      ...['pred_logits', 'pred_boxes'],
    ]);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    expect(memory().numTensors).toBe(before);
  });

  it('and other weights do not pass', async () => {
    const results = await compare(openManifest(groundingDinoManifest(MINI_CONFIG, 40)), FIXTURE);
    expect(results.filter(({ pass }) => pass).map(({ name }) => name)).toEqual(['input_ids']);
  });

  it('says what the taps lack', async () => {
    const manifest = openManifest(groundingDinoManifest(MINI_CONFIG, 41));
    await expect(verifyGroundingDino(manifest, manifest)).rejects.toThrow(VerificationError);
    await expect(verifyGroundingDino(manifest, manifest)).rejects.toThrow(/no caption/);
  });
});

const folder = process.env['SAMTRACK_GOLDENS'];
const stored = (name: string) => folder !== undefined && existsSync(join(folder, `${name}.taps.safetensors`));

describe.skipIf(!folder)(`whole goldens${folder ? '' : ' (SAMTRACK_GOLDENS names no folder)'}`, () => {
  for (const name of ['gdino-mini', 'gdino-swin-t']) {
    it.skipIf(!stored(name))(
      `${name}${stored(name) ? '' : ' (not in the folder)'}`,
      async () => {
        const manifest = await openCheckpoint(join(folder!, `${name}.manifest.json`));
        const results = await compare(manifest, join(folder!, `${name}.taps.safetensors`));
        expect(results.filter(({ pass }) => !pass)).toEqual([]);
        expect(results.length).toBeGreaterThan(13);
      },
      600_000,
    );
  }
});
