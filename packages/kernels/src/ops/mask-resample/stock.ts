import { image, reshape, slice, squeeze, type Tensor, type Tensor4D, tidy } from '@tensorflow/tfjs-core';
import type { MaskGeometry } from './plan.js';

/** The unfused twin of `maskValues`: two interpolations and a crop from stock tfjs operations. */
export function stockMaskValues(logits: Tensor, { side, frame, input, output }: MaskGeometry): Tensor {
  return tidy(() => {
    const maps = reshape(logits, [-1, side, side, 1]) as Tensor4D;
    const framed = image.resizeBilinear(maps, [frame, frame], false, true);
    const cropped = slice(framed, [0, 0, 0, 0], [-1, input.height, input.width, -1]);
    return squeeze(image.resizeBilinear(cropped, [output.height, output.width], false, true), [3]);
  });
}
