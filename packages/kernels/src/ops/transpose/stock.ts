import { pad, slice, type Tensor, type Tensor2D, transpose as tfTranspose, tidy } from '@tensorflow/tfjs-core';
import type { TransposeOptions } from './index.js';

/** The unfused twin of `transpose`, without `into`. */
export function stockTranspose(x: Tensor, { columns, padded }: Omit<TransposeOptions, 'into'> = {}): Tensor {
  return tidy(() => {
    const block = columns ? slice(x as Tensor2D, [0, columns[0]], [-1, columns[1]]) : (x as Tensor2D);
    const out = tfTranspose(block);
    const missing = padded ? (4 - (x.shape[0]! % 4)) % 4 : 0;
    return missing
      ? pad(out, [
          [0, 0],
          [0, missing],
        ])
      : out;
  });
}
