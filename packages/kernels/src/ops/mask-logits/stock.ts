import { matMul, reshape, type Tensor, tidy, transpose } from '@tensorflow/tfjs-core';

/** The unfused twin of `maskLogits`: pixel shuffle and matrix product from stock tfjs operations. */
export function stockMaskLogits(
  features: Tensor,
  vectors: Tensor,
  [height, width]: readonly [height: number, width: number],
): Tensor {
  return tidy(() => {
    const [batch, masks, channels] = vectors.shape as [number, number, number];
    const products = matMul(vectors, reshape(features, [batch, -1, channels]), false, true);
    // tfjs transposes up to six dimensions: one step at a time.
    const outer = transpose(reshape(products, [batch * masks * height, width, 2, 2, 4]), [0, 2, 1, 3, 4]);
    const inner = transpose(reshape(outer, [batch * masks * height * 2, width * 2, 2, 2]), [0, 2, 1, 3]);
    return reshape(inner, [batch, masks, 4 * height, 4 * width]);
  });
}
