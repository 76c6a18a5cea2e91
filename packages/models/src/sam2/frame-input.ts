import { IMAGENET } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { networkInput, type PixelImage } from '../image/index.js';

/** What the bytes of each colour become. */
const NORMALISED = IMAGENET.mean.map((mean, c) =>
  Float32Array.from({ length: 256 }, (_, value) => (value / 255 - mean) / IMAGENET.std[c]!),
);

/**
 * A frame of a video as SAM 2 takes it: squeezed to a square with Pillow's bicubic filter, its aspect not kept, and normalised
 * (sam2, `utils/misc.py`, `_load_img_as_tensor`).
 * @returns float32 [side, side, 4], the fourth channel zero.
 */
export const frameInput = (image: PixelImage, side: number): Tensor =>
  networkInput(image, { height: side, width: side, table: NORMALISED, channels: 4, filter: 'bicubic' });
