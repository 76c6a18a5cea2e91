import { add, mul, reshape, rsqrt, sub, type Tensor, moments as tfMoments, tidy } from '@tensorflow/tfjs-core';
import { stockActivation } from '../gemm/stock.js';
import type { GroupNormOptions } from './index.js';

/** The unfused twin of `groupNorm`, from stock tfjs operations. */
export function stockGroupNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  groups: number,
  { eps = 1e-5, activation = 'none' }: GroupNormOptions = {},
): Tensor {
  return tidy(() => {
    const channels = x.shape.at(-1)!;
    const grouped = reshape(x, [-1, groups, channels / groups]);
    const { mean, variance } = tfMoments(grouped, [0, 2], true);
    const normal = reshape(mul(sub(grouped, mean), rsqrt(add(variance, eps))), [-1, channels]);
    const affine = add(mul(normal, reshape(weight, [channels])), reshape(bias, [channels]));
    return reshape(stockActivation(affine, activation), x.shape);
  });
}
