/** The text branch against the published implementation's features with the same procedural weights. */
import { fileURLToPath } from 'node:url';
import { fusedOps, initialize, type OpSet, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, preprocessCaption, TextBranch, tokenizeCaption } from '../../src/grounding-dino/text/index.js';
import { CheckpointError, openCheckpoint, openManifest, WeightReader } from '../../src/index.js';
import { textManifest } from '../../src/testing/index.js';
import { compareTap, FEATURE_LIMIT } from '../../src/verify/taps.js';

const tokenizer = await loadTokenizer();
const taps = await openCheckpoint(
  fileURLToPath(new URL('../fixtures/grounding-dino/text.safetensors', import.meta.url)),
);
let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => {
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

async function withBranch(
  manifest: ReturnType<typeof textManifest>,
  layers: number,
  use: (branch: TextBranch) => Promise<void>,
  ops: OpSet = fusedOps,
): Promise<void> {
  const weights = new WeightReader(openManifest(manifest));
  const branch = await TextBranch.load({ weights, ops }, layers);
  expect(weights.finish()).toEqual([]);
  await use(branch);
  weights.handOver().dispose();
}

/** Error of the features of the stored caption. */
async function compare(branch: TextBranch, name: string): Promise<number> {
  const caption = tokenizeCaption(preprocessCaption(taps.metadata[`${name}.caption`]!), tokenizer);
  expect(caption.ids).toEqual([...(await taps.read(`${name}.input_ids`)).data]);
  const { features, tokenMask } = branch.encode(caption);
  expect(features.shape).toEqual([caption.ids.length, 256]);
  expect([...tokenMask]).toEqual(caption.ids.map(() => 1));
  const actual = new Float32Array(await runtime.read(features));
  features.dispose();
  return compareTap(name, actual, (await taps.read(`${name}.text.feat_map`)).data, FEATURE_LIMIT).error;
}

describe('TextBranch', () => {
  it.each([
    { name: 'mini', seed: 41, layers: 2 },
    { name: 'swin-t', seed: 42, layers: 12 },
  ])('computes the features of the published implementation: $name', async ({ name, seed, layers }) => {
    await withBranch(textManifest({ seed, layers }), layers, async (branch) => {
      expect(await compare(branch, name)).toBeLessThan(FEATURE_LIMIT);
    });
  });

  it('does so from stock operations, too', async () => {
    const manifest = textManifest({ seed: 41, layers: 2 });
    await withBranch(
      manifest,
      2,
      async (branch) => expect(await compare(branch, 'mini')).toBeLessThan(FEATURE_LIMIT),
      stockOps,
    );
  });

  it('does not with other weights', async () => {
    await withBranch(textManifest({ seed: 43, layers: 2 }), 2, async (branch) => {
      expect(await compare(branch, 'mini')).toBeGreaterThan(0.1);
    });
  });

  it('encodes captions of the full 256 tokens', async () => {
    await withBranch(textManifest({ seed: 41, layers: 2 }), 2, async (branch) => {
      const long = tokenizeCaption(preprocessCaption('a red dog . '.repeat(100)), tokenizer);
      const { features } = branch.encode(long);
      const rows = new Float32Array(await runtime.read(features));
      features.dispose();
      // All sub-sentences are alike, and none sees another.
      const at = (token: number) => rows.subarray(token * 256, (token + 1) * 256);
      expect(at(1 + 4 * 50)).toEqual(at(1));
      expect(at(2)).not.toEqual(at(1));
    });
  });

  it('names the tensor that is missing', async () => {
    const { seed, tensors } = textManifest({ seed: 1, layers: 2 });
    const key = 'bert.encoder.layer.1.output.dense.bias';
    const weights = new WeightReader(openManifest({ seed, tensors: tensors.filter(({ name }) => name !== key) }));
    const loading = TextBranch.load({ weights, ops: fusedOps }, 2);
    await expect(loading).rejects.toThrow(CheckpointError);
    await expect(loading).rejects.toThrow(key);
    weights.handOver().dispose();
  });
});
