import { tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Linear, transposeLinear } from '../nn/parameters.js';

/** Attention heads everywhere in the decoder. */
export const HEADS = 8;

/** Linear layers side by side, for one product with the same rows: `key.name.weight` and `.bias` of each, [inputs, sum]. */
export async function loadJoined(
  weights: WeightReader,
  names: readonly string[],
  inputs: number,
  outputs: number,
): Promise<Linear> {
  const width = names.length * outputs;
  const weight = new Float32Array(inputs * width);
  const bias = new Float32Array(width);
  for (const [i, name] of names.entries()) {
    const part = await weights.take(`${name}.weight`, [outputs, inputs]);
    const columns = transposeLinear(part, inputs, 0, outputs);
    for (let row = 0; row < inputs; row++) {
      weight.set(columns.subarray(row * outputs, (row + 1) * outputs), row * width + i * outputs);
    }
    bias.set(await weights.take(`${name}.bias`, [outputs]), i * outputs);
  }
  return {
    weight: weights.own(tensor(weight, [inputs, width])),
    bias: weights.own(tensor(bias)),
  };
}
