import type { Activation } from '../../families/activation/index.js';
import { ACTIVATIONS } from '../gemm/reference.js';

/** Plain-loop twin of `groupNorm` in float64; `x` is rows of `channels`. */
export function groupNormReference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  options: { channels: number; groups: number; eps?: number; activation?: Activation },
): Float64Array {
  const { channels, groups, eps = 1e-5, activation = 'none' } = options;
  const positions = x.length / channels;
  const size = channels / groups;
  const out = new Float64Array(x.length);
  for (let first = 0; first < channels; first += size) {
    let mean = 0;
    let variance = 0;
    const everyElement = (visit: (index: number, channel: number) => void) => {
      for (let p = 0; p < positions; p++) {
        for (let c = first; c < first + size; c++) visit(p * channels + c, c);
      }
    };
    everyElement((i) => {
      mean += x[i]! / (positions * size);
    });
    everyElement((i) => {
      variance += (x[i]! - mean) ** 2 / (positions * size);
    });
    everyElement((i, c) => {
      out[i] = ACTIVATIONS[activation](((x[i]! - mean) / Math.sqrt(variance + eps)) * weight[c]! + bias[c]!);
    });
  }
  return out;
}
