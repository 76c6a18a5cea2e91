import { type Tensor, type Tensor3D, maxPool as tfMaxPool } from '@tensorflow/tfjs-core';
import type { MaxPoolOptions } from './index.js';

/** The twin of `maxPool`, a stock tfjs operation. */
export function stockMaxPool(x: Tensor, size: number, { stride = size, padding = 0 }: MaxPoolOptions = {}): Tensor {
  return tfMaxPool(x as Tensor3D, size, stride, padding, 'floor');
}
