import type { Tensor3D } from '@tensorflow/tfjs-core';
import { channelsOf, networkInput, type PixelImage } from '../image/index.js';
import type { LevelSize } from './types.js';

/** Sides that the published models are used with, in pixels. */
const SHORT_EDGE = 800;
const LONG_EDGE = 1333;

/** ImageNet's, for values of 0..1. */
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** Options of `networkImageSize`. */
export interface ImageSizeOptions {
  /** The shorter side in pixels; 800 by default. */
  shortEdge?: number | undefined;
  /** What the longer side is kept to, in pixels, by reducing the shorter one; 1333 by default. */
  longEdge?: number | undefined;
}

/** Python's `round`: halves go to the even neighbour. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/**
 * Size of the network's input for a picture: the shorter side has `shortEdge` pixels, fewer if the longer side would exceed
 * `longEdge` (GroundingDINO, `datasets/transforms.py`, `get_size_with_aspect_ratio`). Rounding makes the longer side exceed it a little for
 * slim pictures, as published. The shorter side has one pixel at least, where the published implementation fails.
 */
export function networkImageSize(
  { width, height }: LevelSize,
  { shortEdge = SHORT_EDGE, longEdge = LONG_EDGE }: ImageSizeOptions = {},
): LevelSize {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const reduced = (long / short) * shortEdge > longEdge;
  const edge = reduced ? Math.max(1, roundHalfEven((longEdge * short) / long)) : shortEdge;
  if (short === edge) return { width, height };
  const other = Math.trunc((edge * long) / short);
  return width < height ? { width: edge, height: other } : { width: other, height: edge };
}

/** Normalised value of every byte in float32, for each colour. */
const NORMALISED = MEAN.map((mean, c) =>
  Float32Array.from({ length: 256 }, (_, byte) => {
    const share = Math.fround(byte / 255);
    return Math.fround(share - Math.fround(mean)) / Math.fround(DEVIATION[c]!);
  }),
);

/**
 * A picture as the network takes it: resized with Pillow's antialiased bilinear filter and normalised.
 * @returns float32 [h, w, 4], the fourth channel zero.
 * @throws ImageError when the picture is malformed.
 */
export function imageTensor(image: PixelImage, options?: ImageSizeOptions): Tensor3D {
  channelsOf(image);
  return networkInput(image, { ...networkImageSize(image, options), table: NORMALISED, channels: 4 });
}
