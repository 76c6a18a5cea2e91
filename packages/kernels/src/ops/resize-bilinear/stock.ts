import { add, image, reshape, type Tensor, type Tensor3D, tidy } from '@tensorflow/tfjs-core';
import type { ResizeBilinearOptions } from './index.js';

/** The unfused twin of `resizeBilinear`, from stock tfjs operations. */
export function stockResizeBilinear(
  x: Tensor,
  size: readonly [height: number, width: number],
  { alignCorners = false, residual }: ResizeBilinearOptions = {},
): Tensor {
  return tidy(() => {
    const resized = image.resizeBilinear(x as Tensor3D, [...size], alignCorners, !alignCorners);
    return residual ? add(resized, reshape(residual, resized.shape)) : resized;
  });
}
