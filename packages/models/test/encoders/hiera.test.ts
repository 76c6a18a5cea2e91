/** The encoders of all published SAM 2.1 models, in their widths, heads and windows, with few blocks and a small image. */
import { fusedOps, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { randomTensor } from '@samtrack/kernels/testing';
import { dispose, memory, tensor3d } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManifest, WeightReader } from '../../src/checkpoint/index.js';
import { Hiera, type HieraConfig } from '../../src/encoders/hiera.js';
import { SAM2_CONFIGS, type Sam2Name } from '../../src/sam2/config.js';
import { compareTap } from '../../src/verify/taps.js';
import { hieraReference } from './hiera-reference.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

/** Sides of the positions that are enlarged. */
const BACKGROUND: Partial<Record<Sam2Name, number>> = { 'sam2.1-tiny': 7, 'sam2.1-base-plus': 14, 'sam2.1-large': 7 };

function manifestOf({ embed, stages }: HieraConfig, background: number) {
  const tensors: { name: string; shape: number[]; scale: number; offset: number }[] = [];
  const add = (name: string, scale: number, ...shape: number[]) => tensors.push({ name, shape, scale, offset: 0 });
  const layer = (name: string, outputs: number, inputs: number) => {
    add(`${name}.weight`, Math.sqrt(3 / inputs), outputs, inputs);
    add(`${name}.bias`, 0.1, outputs);
  };
  const norm = (name: string, width: number) => {
    tensors.push({ name: `${name}.weight`, shape: [width], scale: 0.2, offset: 1 });
    add(`${name}.bias`, 0.1, width);
  };
  add('pos_embed', 0.5, 1, embed, background, background);
  add('pos_embed_window', 0.5, 1, embed, 8, 8);
  add('patch_embed.proj.weight', 0.1, embed, 3, 7, 7);
  add('patch_embed.proj.bias', 0.1, embed);
  let inputs = embed;
  let index = 0;
  for (const [stage, depth] of stages.entries()) {
    const width = embed * 2 ** stage;
    for (let i = 0; i < depth; i++) {
      const block = `blocks.${index++}`;
      norm(`${block}.norm1`, inputs);
      norm(`${block}.norm2`, width);
      layer(`${block}.attn.qkv`, 3 * width, inputs);
      layer(`${block}.attn.proj`, width, width);
      layer(`${block}.mlp.layers.0`, 4 * width, width);
      layer(`${block}.mlp.layers.1`, width, 4 * width);
      if (inputs !== width) layer(`${block}.proj`, width, inputs);
      inputs = width;
    }
  }
  return openManifest({ seed: 5, tensors });
}

describe('Hiera computes what its description says, in the sizes of', () => {
  // The small model has more blocks than the tiny one, and nothing else.
  it.each(Object.entries(BACKGROUND) as [Sam2Name, number][])('%s', { timeout: 300_000 }, async (name, background) => {
    const before = memory().numTensors;
    // A block with windows and a global one in the third stage.
    const config = { ...SAM2_CONFIGS[name], imageSize: 64, stages: [1, 1, 2, 1], global: [3] } as const;
    const checkpoint = manifestOf(config, background);
    const weights = new WeightReader(checkpoint);
    const hiera = await Hiera.load({ weights, ops: fusedOps }, '', config);
    const owned = weights.handOver();
    const { values: pixels } = randomTensor([64, 64, 3], 9);
    const padded = Float32Array.from({ length: 64 * 64 * 4 }, (_, i) =>
      i % 4 === 3 ? 0 : pixels[(i >> 2) * 3 + (i % 4)]!,
    );
    const image = tensor3d(padded, [64, 64, 4]);
    const stages = hiera.forward(image);
    const values = new Map<string, Float32Array>();
    for (const key of checkpoint.keys) values.set(key, (await checkpoint.read(key)).data);
    const expected = hieraReference(config, (key) => values.get(key)!, Float32Array.from(pixels));
    for (const [i, stage] of stages.entries()) {
      const actual = new Float32Array(await runtime.read(stage));
      const result = compareTap(`stage ${i}`, actual, Float32Array.from(expected[i]!), 1e-9);
      expect(result).toMatchObject({ pass: true });
    }
    dispose([image, ...stages]);
    owned.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
