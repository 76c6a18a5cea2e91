import type { Activation } from '../../families/activation/index.js';
import { ACTIVATIONS } from '../gemm/reference.js';

/** Plain-loop twin of `layerNorm` in float64; `x` is rows of `groups * channels`. */
export function layerNormReference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  {
    channels,
    groups = 1,
    eps = 1e-5,
    activation = 'none',
  }: { channels: number; groups?: number; eps?: number; activation?: Activation },
): Float64Array {
  const out = new Float64Array(x.length);
  for (let base = 0; base < x.length; base += channels) {
    const affine = base % (groups * channels);
    let mean = 0;
    for (let c = 0; c < channels; c++) mean += x[base + c]! / channels;
    let variance = 0;
    for (let c = 0; c < channels; c++) variance += (x[base + c]! - mean) ** 2 / channels;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let c = 0; c < channels; c++) {
      const value = (x[base + c]! - mean) * scale * weight[affine + c]! + bias[affine + c]!;
      out[base + c] = ACTIVATIONS[activation](value);
    }
  }
  return out;
}
