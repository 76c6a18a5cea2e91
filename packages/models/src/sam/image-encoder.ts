import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';

/** Channels of an image embedding. */
export const EMBEDDING_CHANNELS = 256;

/** Pixels of the padded image that one position of the embedding stands for, along each axis. */
export const EMBEDDING_STRIDE = 16;

/** The image encoder of a Segment Anything model: a plain vision transformer, or the TinyViT of MobileSAM. */
export interface SamImageEncoder {
  /** Side of the padded square image in pixels, 1024 in every published model. */
  readonly imageSize: number;
  /**
   * @param image float32 [1, imageSize, imageSize, 3], normalised and then padded with zeros at the bottom and at the right.
   * @param onTap Sees intermediate results, float32 with the channels last, by the names `patch_pos` and `blockN` of a plain
   *   transformer, `patch_embed` and `stageN` of TinyViT. It may not keep them.
   * @returns float32 [1, imageSize / 16, imageSize / 16, 256], which the caller disposes.
   * @throws ShapeError when the image has another shape.
   */
  encode(image: Tensor4D, onTap?: (name: string, tensor: Tensor) => void): Tensor4D;
  /** Frees the weights. */
  dispose(): void;
}
