/** The small segmenter against what weights/train's PyTorch network computed with the same procedural weights. */
import { getEngine } from '@samtrack/kernels';
import { dispose, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { openCheckpoint, openManifest } from '../../src/checkpoint/index.js';
import { type SamSmallLoadOptions, SamSmallModel } from '../../src/sam-small/index.js';
import { compareTap, FEATURE_LIMIT, LOGIT_LIMIT, type TapResult } from '../../src/verify/taps.js';
import { DEAOT_T_MANIFEST } from '../fixtures/deaot/manifest.js';
import { goldenImage, goldenPrompts, samSmallManifest, TAPS } from '../fixtures/sam-small/golden.js';

/** Every `step`-th row and column of a map of `side` rows, channels last. */
async function part(map: Tensor, side: number, step: number): Promise<Float32Array> {
  const values = new Float32Array(await getEngine().read(map));
  const channels = values.length / side ** 2;
  const out: number[] = [];
  for (let r = 0; r < side; r += step) {
    for (let c = 0; c < side; c += step) {
      out.push(...values.subarray((r * side + c) * channels, (r * side + c + 1) * channels));
    }
  }
  return Float32Array.from(out);
}

/** Every fourth row and column of the logits of four masks. */
async function logitsPart(logits: Tensor): Promise<Float32Array> {
  const values = new Float32Array(await getEngine().read(logits));
  return Float32Array.from({ length: 4 * 32 * 32 }, (_, i) => {
    const [mask, r, c] = [Math.floor(i / 1024), Math.floor((i % 1024) / 32), i % 32];
    return values[(mask * 128 + 4 * r) * 128 + 4 * c]!;
  });
}

/** @param seed Of other weights than the golden ones. */
export async function compareSamSmall(options: SamSmallLoadOptions = {}, seed?: number): Promise<TapResult[]> {
  const tracker = await openCheckpoint(DEAOT_T_MANIFEST);
  const manifest = samSmallManifest();
  const model = await SamSmallModel.load(
    openManifest(seed === undefined ? manifest : { ...manifest, seed }),
    tracker,
    options,
  );
  expect(model.unexpectedKeys).toEqual([]);
  const taps = await openCheckpoint(TAPS);
  const results: TapResult[] = [];
  const check = async (name: string, actual: Float32Array, limit: number) =>
    results.push(compareTap(name, actual, (await taps.read(name)).data, limit));
  const input = tensor(goldenImage(), [512, 512, 4]);
  try {
    const maps: Record<string, Promise<Float32Array>> = {};
    const shape = { f4: [128, 16], f8: [64, 8], f16: [32, 4] } as Record<string, [number, number]>;
    const found = model.encoder.encode(input, (name, map) => {
      maps[name] = part(map, ...shape[name]!);
    });
    for (const [name, values] of Object.entries(maps)) await check(name, await values, FEATURE_LIMIT);
    await check('embedding', await part(found.embedding, 32, 4), FEATURE_LIMIT);
    await check('skip8', await part(found.skip8, 64, 8), FEATURE_LIMIT);
    await check('skip4', await part(found.skip4, 128, 16), FEATURE_LIMIT);
    const size = { height: 384, width: 512 };
    const features = [found.embedding, found.skip8, found.skip4];
    const image = model.prepare({ features, originalSize: size, inputSize: size });
    for (const [name, prompt] of Object.entries(goldenPrompts())) {
      const { logits, iou } = [...image.decode([prompt], { masks: 'all' })][0]!;
      await check(`${name}.logits`, await logitsPart(logits), LOGIT_LIMIT);
      await check(`${name}.iou`, new Float32Array(await getEngine().read(iou)), LOGIT_LIMIT);
      dispose([logits, iou]);
    }
    image.dispose();
    dispose(features);
    return results;
  } finally {
    input.dispose();
    model.dispose();
    await taps.close();
    await tracker.close();
  }
}
