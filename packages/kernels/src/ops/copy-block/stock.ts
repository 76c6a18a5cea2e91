import { concat, slice, type Tensor, type Tensor2D, tidy } from '@tensorflow/tfjs-core';

/** The unfused twin of `concatColumns`. */
export function stockConcatColumns(parts: readonly { x: Tensor; columns?: readonly [number, number] }[]): Tensor {
  return tidy(() =>
    concat(
      parts.map(({ x, columns }) =>
        columns ? slice(x as Tensor2D, [0, columns[0]], [-1, columns[1]]) : (x as Tensor2D),
      ),
      1,
    ),
  );
}
