import { cos, gather, mul, reshape, sin, stack, type Tensor, tensor1d, tidy } from '@tensorflow/tfjs-core';
import { type BoxSineEmbeddingOptions, sineFrequency } from './index.js';

/** The unfused twin of `boxSineEmbedding`, from stock tfjs operations: as exact as the adapter's own sine. */
export function stockBoxSineEmbedding(
  boxes: Tensor,
  { channels = 128, temperature = 10_000 }: BoxSineEmbeddingOptions = {},
): Tensor {
  return tidy(() => {
    const queries = boxes.shape[0]!;
    const frequencies = Array.from({ length: channels / 2 }, (_, i) => sineFrequency(i, channels, temperature));
    const ordered = gather(boxes, tensor1d([1, 0, 2, 3], 'int32'), 1);
    const angles = mul(reshape(ordered, [queries, 4, 1]), tensor1d(frequencies));
    return reshape(stack([sin(angles), cos(angles)], 3), [queries, 4 * channels]);
  });
}
