import type { Activation } from '../../families/activation/index.js';
import { ACTIVATIONS } from '../gemm/reference.js';

/** Plain-loop twin of `broadcastAdd` in float64. */
export const broadcastAddReference = (
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  activation: Activation = 'none',
): Float64Array => Float64Array.from({ length: x.length }, (_, i) => ACTIVATIONS[activation](x[i]! + y[i % y.length]!));
