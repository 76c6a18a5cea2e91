import type { Tensor } from '@tensorflow/tfjs-core';

/** Feature maps of an image, float32 [h, w, C] each. */
export interface EncoderFeatures {
  /** At stride 4. */
  f4: Tensor;
  /** At stride 8. */
  f8: Tensor;
  /** At stride 16. */
  f16: Tensor;
  /** What the tracker matches on, at stride 16; for some encoders `f16` once more, as a tensor of its own. */
  last: Tensor;
}

/** An image encoder. Its tensors belong to the reader of its weights, or to whoever took them over. */
export interface Encoder {
  /** Channels of the four maps. */
  readonly channels: readonly [f4: number, f8: number, f16: number, last: number];
  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns Maps that the caller disposes.
   */
  forward(image: Tensor): EncoderFeatures;
}
