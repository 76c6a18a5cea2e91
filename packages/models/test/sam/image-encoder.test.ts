/**
 * Image encoders of Segment Anything against what the published PyTorch implementations computed with the same procedural
 * weights. The fixtures are some positions of every tap; `SAMTRACK_GOLDENS` names a folder of whole ones.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fusedOps, initialize, type OpSet, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { normalisedError, randomValues } from '@samtrack/kernels/testing';
import { memory, reshape, type Tensor4D, tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  type Manifest,
  openCheckpoint,
  openManifest,
  WeightReader,
} from '../../src/checkpoint/index.js';
import { interpolateTable } from '../../src/encoders/relative-table.js';
import { distanceTable } from '../../src/encoders/tiny-vit.js';
import { inferVitDetConfig } from '../../src/encoders/vit-det.js';
import { loadImageEncoder } from '../../src/sam/load-encoder.js';
import { verifySamEncoder } from '../../src/verify/sam-encoder.js';
import { VerificationError } from '../../src/verify/taps.js';
import { samTinyManifest } from '../fixtures/sam/manifest.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/sam/${name}`, import.meta.url));

/** The encoder's taps; the image they were computed from is in the file of the whole model's. */
async function samTinyTaps(): Promise<Checkpoint> {
  const image = await openCheckpoint(fixture('sam-tiny.taps.safetensors'));
  const taps = await openCheckpoint(fixture('sam-tiny-encoder.taps.safetensors'));
  const holder = (key: string) => (taps.has(key) ? taps : image);
  return {
    format: taps.format,
    file: taps.file,
    keys: [...taps.keys, 'image.rgb_u8'],
    metadata: {},
    has: (key) => taps.has(key) || key === 'image.rgb_u8',
    info: (key) => holder(key).info(key),
    read: (key) => holder(key).read(key),
    readRaw: (key) => holder(key).readRaw(key),
    close: async () => {
      await taps.close();
      await image.close();
    },
  };
}

const MOBILE_SAM = JSON.parse(readFileSync(fixture('mobile-sam.manifest.json'), 'utf8')) as Manifest;

describe('a small plain vision transformer', () => {
  it.each<[string, OpSet]>([
    ['our kernels', fusedOps],
    ['stock operations', stockOps],
  ])('computes with %s what the published one does', async (_, ops) => {
    const before = memory().numTensors;
    const taps = await samTinyTaps();
    const results = await verifySamEncoder(openManifest(samTinyManifest()), taps, { ops });
    await taps.close();
    expect(results.map(({ name }) => name)).toEqual([
      'enc.patch_pos',
      'enc.block0',
      'enc.block1',
      'enc.block2',
      'enc.block3',
      'enc.out',
    ]);
    expect(results.filter(({ error }) => !(error <= 1e-10))).toEqual([]);
    expect(memory().numTensors).toBe(before);
  });

  it('does not with other weights', async () => {
    const taps = await samTinyTaps();
    const results = await verifySamEncoder(openManifest({ ...samTinyManifest(), seed: 22 }), taps);
    await taps.close();
    expect(results.filter(({ pass }) => pass)).toEqual([]);
  });

  it('needs no more memory for the twentieth image than for the first', async () => {
    const encoder = await loadImageEncoder(new WeightReader(openManifest(samTinyManifest())), fusedOps);
    const image = zeros([1, 256, 256, 3]) as Tensor4D;
    const bytes: number[] = [];
    for (let i = 0; i < 20; i++) {
      encoder.encode(image).dispose();
      await runtime.finish();
      bytes.push(runtime.memory().allocatedBytes);
    }
    expect(bytes.at(-1)).toBe(bytes[0]);
    image.dispose();
    encoder.dispose();
  });

  it('computes nearly the same with matrices kept as float16, which take half of the memory', async () => {
    const load = async (float16: boolean) => {
      const before = memory().numBytes;
      const encoder = await loadImageEncoder(new WeightReader(openManifest(samTinyManifest())), fusedOps, { float16 });
      return { encoder, bytes: memory().numBytes - before };
    };
    const [full, half] = [await load(false), await load(true)];
    const image = reshape(tensor(randomValues(256 * 256 * 3, 5)), [1, 256, 256, 3]) as Tensor4D;
    const [expected, actual] = await Promise.all(
      [full, half].map(async ({ encoder }) => {
        const out = encoder.encode(image);
        const values = (await out.data()) as Float32Array;
        out.dispose();
        return values;
      }),
    );
    // Rounding to eleven bits has a variance of 2^-22 / 3, relative to the weight; the errors of 16 matrices add up, and
    // may grow on their way.
    expect(normalisedError(actual!, expected!)).toBeLessThan((4 * 16 * 2 ** -22) / 3);
    expect(normalisedError(actual!, expected!)).toBeGreaterThan(0);
    // Twelve matrices of 96 x 96 in each of 4 blocks, two bytes a number.
    expect(full.bytes - half.bytes).toBe(4 * 12 * 96 * 96 * 2);
    image.dispose();
    for (const { encoder } of [full, half]) encoder.dispose();
  });

  it('names the weight that float16 cannot hold', async () => {
    const key = 'image_encoder.blocks.1.mlp.lin1.weight';
    const manifest = samTinyManifest((tensor) => (tensor.name === key ? { ...tensor, offset: 1e5 } : tensor));
    const weights = new WeightReader(openManifest(manifest));
    await expect(loadImageEncoder(weights, fusedOps, { float16: true })).rejects.toThrow(key);
    weights.handOver().dispose();
  });

  it('refuses images of another size', async () => {
    const encoder = await loadImageEncoder(new WeightReader(openManifest(samTinyManifest())), fusedOps);
    const image = zeros([1, 256, 240, 3]) as Tensor4D;
    expect(() => encoder.encode(image)).toThrow(/\[1, 256, 256, 3\]/);
    image.dispose();
    encoder.dispose();
  });

  it('tells its configuration from shapes', () => {
    const config = { embed: 96, depth: 4, heads: 3, window: 7, global: [1, 3], grid: 16 };
    expect(inferVitDetConfig(new WeightReader(openManifest(samTinyManifest())), 'image_encoder.')).toEqual(config);
  });

  it('names the table that fits neither image nor window', () => {
    const key = 'image_encoder.blocks.2.attn.rel_pos_h';
    const manifest = samTinyManifest((tensor) => (tensor.name === key ? { ...tensor, shape: [11, 32] } : tensor));
    expect(() => inferVitDetConfig(new WeightReader(openManifest(manifest)), 'image_encoder.')).toThrow(key);
  });

  it('names the weight that is missing, and frees the others', async () => {
    const before = memory().numTensors;
    const key = 'image_encoder.blocks.3.mlp.lin2.bias';
    const weights = new WeightReader(
      openManifest(samTinyManifest((tensor) => (tensor.name === key ? undefined : tensor))),
    );
    await expect(loadImageEncoder(weights, fusedOps)).rejects.toThrow(key);
    weights.handOver().dispose();
    expect(memory().numTensors).toBe(before);
  });

  it('is verified only with taps of an encoder', async () => {
    const manifest = openManifest(samTinyManifest());
    await expect(verifySamEncoder(manifest, manifest)).rejects.toThrow(VerificationError);
  });
});

describe('the encoder of MobileSAM', () => {
  it('computes what the published one does', { timeout: 600_000 }, async () => {
    const before = memory().numTensors;
    const taps = await openCheckpoint(fixture('mobile-sam.taps.safetensors'));
    const results = await verifySamEncoder(openManifest(MOBILE_SAM), taps);
    await taps.close();
    const names = ['patch_embed_sub', 'stage0_sub', 'stage1_sub', 'stage2_sub', 'stage3_sub', 'enc.out_sub'];
    expect(results.map(({ name }) => name)).toEqual(names);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
    expect(memory().numTensors).toBe(before);
  });

  it('reads its biases by absolute distance', () => {
    const [heads, window] = [2, 3];
    const biases = Float32Array.from({ length: heads * window * window }, (_, i) => i);
    const table = distanceTable(biases, heads, window);
    // For every query and key of a window, what `attention_biases[:, attention_bias_idxs]` gives them.
    for (let q = 0; q < window * window; q++)
      for (let k = 0; k < window * window; k++)
        for (let head = 0; head < heads; head++) {
          const [dy, dx] = [Math.floor(q / window) - Math.floor(k / window), (q % window) - (k % window)];
          const signed = (dy + window - 1) * (2 * window - 1) + dx + window - 1;
          expect(table[signed * heads + head]).toBe(head * window * window + Math.abs(dy) * window + Math.abs(dx));
        }
  });
});

describe('a table of relative positions of another length', () => {
  const table = Float32Array.from([0, 10, 2, 20, 6, 40]);

  it('is the same when it needs no change', () => {
    expect(interpolateTable(table, 2, 3)).toBe(table);
  });

  it('is interpolated between the centres of its rows, and constant beyond the first and the last', () => {
    // Rows 0, 2, 6 at half of the distance: -0.25, 0.25, 0.75, 1.25, 1.75, 2.25.
    expect([...interpolateTable(table, 2, 6)]).toEqual([0, 10, 0.5, 12.5, 1.5, 17.5, 3, 25, 5, 35, 6, 40]);
    expect([...interpolateTable(table, 2, 1)]).toEqual([2, 20]);
  });
});

const folder = process.env['SAMTRACK_GOLDENS'];
describe('whole goldens', () => {
  for (const name of ['sam-tiny', 'sam-vit-b', 'mobile-sam']) {
    const there = folder !== undefined && existsSync(join(folder, `${name}.manifest.json`));
    it.skipIf(!there)(
      `${name}${there ? '' : ' (set SAMTRACK_GOLDENS to run it)'}`,
      { timeout: 1_800_000 },
      async () => {
        const manifest = await openCheckpoint(join(folder!, `${name}.manifest.json`));
        const taps = await openCheckpoint(join(folder!, `${name}.taps.safetensors`));
        const results = await verifySamEncoder(manifest, taps);
        expect(results.filter(({ pass }) => !pass)).toEqual([]);
        await taps.close();
        await manifest.close();
      },
    );
  }
});
