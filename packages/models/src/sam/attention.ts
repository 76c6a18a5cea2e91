import { tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Linear, loadLinear, transposeLinear } from '../nn/parameters.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';

/** Attention heads everywhere in the decoder. */
export const HEADS = 8;

/** Linear layers side by side, for one product with the same rows: `key.name.weight` and `.bias` of each, [256, sum]. */
export async function loadJoined(weights: WeightReader, names: readonly string[], outputs: number): Promise<Linear> {
  const width = names.length * outputs;
  const weight = new Float32Array(EMBEDDING_CHANNELS * width);
  const bias = new Float32Array(width);
  for (const [i, name] of names.entries()) {
    const part = await weights.take(`${name}.weight`, [outputs, EMBEDDING_CHANNELS]);
    const columns = transposeLinear(part, EMBEDDING_CHANNELS, 0, outputs);
    for (let row = 0; row < EMBEDDING_CHANNELS; row++) {
      weight.set(columns.subarray(row * outputs, (row + 1) * outputs), row * width + i * outputs);
    }
    bias.set(await weights.take(`${name}.bias`, [outputs]), i * outputs);
  }
  return {
    weight: weights.own(tensor(weight, [EMBEDDING_CHANNELS, width])),
    bias: weights.own(tensor(bias)),
  };
}

/** A projection out of the attention's inner channels. */
export const loadOut = (weights: WeightReader, key: string, inner: number): Promise<Linear> =>
  loadLinear(weights, `${key}.out_proj`, inner, EMBEDDING_CHANNELS);
