import { concat, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { stockGemm } from '../gemm/stock.js';
import type { LinearPart } from './index.js';

/** The unfused twin of `linearConcat`. */
export function stockLinearConcat(parts: readonly LinearPart[]): Tensor {
  return tidy(() =>
    concat(
      parts.map(({ x, weight, bias, activation, residual, xColumns }) =>
        stockGemm(x, weight, { bias, activation, residual, aColumns: xColumns }),
      ),
      1,
    ),
  );
}
