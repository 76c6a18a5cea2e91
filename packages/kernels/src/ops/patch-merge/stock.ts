import { concat, pad, reshape, stridedSlice, type Tensor, type Tensor3D, tidy } from '@tensorflow/tfjs-core';

/** The twin of `patchMerge`, from stock tfjs operations. */
export function stockPatchMerge(x: Tensor): Tensor {
  const [height, width, channels] = x.shape as [number, number, number];
  return tidy(() => {
    const padded = pad(x as Tensor3D, [
      [0, height % 2],
      [0, width % 2],
      [0, 0],
    ]);
    const quarters = [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ].map(([row, column]) => stridedSlice(padded, [row!, column!, 0], padded.shape, [2, 2, 1]));
    return reshape(concat(quarters, 2), [-1, 4 * channels]);
  });
}
