import { add, mul, reshape, rsqrt, sub, type Tensor, moments as tfMoments, tidy } from '@tensorflow/tfjs-core';
import { stockActivation } from '../gemm/stock.js';
import type { LayerNormOptions } from './index.js';

/** The unfused twin of `layerNorm`, from stock tfjs operations. */
export function stockLayerNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { groups = 1, eps = 1e-5, activation = 'none' }: Omit<LayerNormOptions, 'variant'> = {},
): Tensor {
  return tidy(() => {
    const width = x.shape.at(-1)!;
    const rows = reshape(x, [-1, groups, width / groups]);
    const { mean, variance } = tfMoments(rows, 2, true);
    const normal = reshape(mul(sub(rows, mean), rsqrt(add(variance, eps))), [-1, width]);
    const affine = add(mul(normal, reshape(weight, [width])), reshape(bias, [width]));
    return reshape(stockActivation(affine, activation), x.shape);
  });
}
