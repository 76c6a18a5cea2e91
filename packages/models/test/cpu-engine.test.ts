/** The goldens of the other tests, on the CPU engine: within the same limits. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initializeCpu, type OnnxEngine, shutdownCpu } from '@samtrack/onnx';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, DEAOT_CONFIGS, type DeAotName, openCheckpoint, openManifest } from '../src/index.js';
import { groundingDinoManifest, MINI_CONFIG } from '../src/testing/index.js';
import { type TapResult, verifyDeAot, verifyGroundingDino, verifySam, verifySam2 } from '../src/verify/index.js';
import { deaotManifest } from './fixtures/deaot/manifest.js';
import { samTinyManifest } from './fixtures/sam/manifest.js';
import { compareSamSmall } from './sam-small/compare.js';

let engine: OnnxEngine;
beforeAll(async () => {
  engine = await initializeCpu();
});
afterAll(() => shutdownCpu(engine));

type Verify = (manifest: Checkpoint, taps: Checkpoint) => Promise<TapResult[]>;

const deaot =
  (model: DeAotName): Verify =>
  (manifest, taps) =>
    verifyDeAot(model, manifest, taps);

describe('on the CPU engine, models compute what the published implementations do', () => {
  const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
  it.each<{ name: string; manifest: () => Checkpoint; file: string; verify: Verify }>([
    {
      name: 'DeAOT-T, three objects',
      manifest: () => openManifest(deaotManifest({ seed: 7 })),
      file: 'deaot/deaot-t.taps.safetensors',
      verify: deaot('deaot-t'),
    },
    {
      name: 'DeAOT-T, fourteen objects in two groups',
      manifest: () => openManifest(deaotManifest({ seed: 13 })),
      file: 'deaot/deaot-t-14obj.taps.safetensors',
      verify: deaot('deaot-t'),
    },
    {
      name: 'a small SAM',
      manifest: () => openManifest(samTinyManifest()),
      file: 'sam/sam-tiny.taps.safetensors',
      verify: verifySam,
    },
    {
      name: 'Grounding DINO in two layers of everything',
      manifest: () => openManifest(groundingDinoManifest(MINI_CONFIG, 41)),
      file: 'grounding-dino/mini.taps.safetensors',
      verify: verifyGroundingDino,
    },
  ])('$name', async ({ manifest, file, verify }) => {
    const before = memory().numTensors;
    const taps = await openCheckpoint(fixture(file));
    const results = await verify(manifest(), taps);
    await taps.close();
    expect(results.length).toBeGreaterThan(1);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    expect(memory().numTensors).toBe(before);
  });
});

it('a small SAM 2.1 too, its video engine included', async () => {
  const [manifest, taps] = await Promise.all(
    ['manifest.json', 'taps.safetensors'].map((part) =>
      openCheckpoint(fileURLToPath(new URL(`fixtures/sam2/sam2-mini.${part}`, import.meta.url))),
    ),
  );
  const results = await verifySam2(manifest!, taps!, { runs: ['A'] });
  for (const file of [manifest!, taps!]) await file.close();
  expect(results).toHaveLength(80);
  expect(results.filter(({ pass }) => !pass)).toEqual([]);
});

it('the segmenter that comes with samtrack too, in passes as they are and replayed', async () => {
  for (const replay of [false, true]) {
    const results = await compareSamSmall({ replay });
    expect(results).toHaveLength(14);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
  }
});

const folder = process.env['SAMTRACK_GOLDENS'];
const stored = (name: string) => folder !== undefined && existsSync(join(folder, `${name}.taps.safetensors`));

describe.skipIf(!folder)(`whole goldens on the CPU${folder ? '' : ' (SAMTRACK_GOLDENS names no folder)'}`, () => {
  const goldens: readonly (readonly [string, Verify])[] = [
    ...(Object.keys(DEAOT_CONFIGS) as DeAotName[]).map((name) => [name, deaot(name)] as const),
    ['deaot-t-14obj', deaot('deaot-t')],
    ...['sam-tiny', 'mobile-sam', 'sam-vit-b'].map((name) => [name, verifySam] as const),
    ['sam2-mini', verifySam2],
    ...['gdino-mini', 'gdino-swin-t'].map((name) => [name, verifyGroundingDino] as const),
  ];
  for (const [name, verify] of goldens) {
    it.skipIf(!stored(name))(
      `${name}${stored(name) ? '' : ' (not in the folder)'}`,
      async () => {
        const manifest = await openCheckpoint(join(folder!, `${name}.manifest.json`));
        const taps = await openCheckpoint(join(folder!, `${name}.taps.safetensors`));
        const results = await verify(manifest, taps);
        await taps.close();
        expect(results.length).toBeGreaterThan(2);
        expect(results.filter(({ pass }) => !pass)).toEqual([]);
      },
      600_000,
    );
  }
});
