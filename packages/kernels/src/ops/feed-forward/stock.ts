import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import { stockGemm } from '../gemm/stock.js';
import type { FeedForwardOptions, LinearLayer } from './index.js';

/** The unfused twin of `feedForward`, with all hidden values at once. */
export function stockFeedForward(
  x: Tensor,
  first: LinearLayer,
  second: LinearLayer,
  { activation, residual }: FeedForwardOptions,
): Tensor {
  return tidy(() => {
    const inner = stockGemm(x, first.weight, { bias: first.bias, activation });
    return stockGemm(inner, second.weight, { bias: second.bias, residual });
  });
}
