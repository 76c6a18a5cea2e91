import { reshape, type Tensor4D, tidy } from '@tensorflow/tfjs-core';
import { ImageError, networkInput, type PixelImage, resizeAntialiased, toRgb } from '../image/index.js';
import type { Box } from '../masks/box.js';
import { SamError } from './error.js';

/** Height and width in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** A point, in pixels from the upper left corner. */
export type Point = readonly [x: number, y: number];

/** Means and deviations of red, green and blue, 0..255, with which every published model was trained. */
const MEAN = [123.675, 116.28, 103.53];
const STD = [58.395, 57.12, 57.375];

/**
 * Size of an image whose longer side becomes `longSide`, halves rounded up (segment-anything, `utils/transforms.py`,
 * `ResizeLongestSide`).
 * @throws SamError `image` when the shorter side would vanish.
 */
export function longestSideSize({ height, width }: ImageSize, longSide: number): ImageSize {
  const scale = longSide / Math.max(height, width);
  const size = { height: Math.floor(height * scale + 0.5), width: Math.floor(width * scale + 0.5) };
  if (!(size.height >= 1 && size.width >= 1)) {
    throw new SamError(
      'image',
      `An image of ${width}x${height} pixels is too thin: its short side vanishes at ${longSide}.`,
    );
  }
  return size;
}

/** Resizes an image so that its longer side becomes `longSide`, with Pillow's antialiased bilinear filter. */
export function resizeLongestSide(image: PixelImage, longSide: number): PixelImage {
  const { height, width } = longestSideSize(image, longSide);
  return resizeAntialiased(image, width, height);
}

/** A point of an image of one size, in the same image of another size. The axes have factors of their own. */
export const scalePoint = ([x, y]: Point, from: ImageSize, to: ImageSize): Point => [
  x * (to.width / from.width),
  y * (to.height / from.height),
];

/** A box of an image of one size, in the same image of another size. */
export const scaleBox = ([x0, y0, x1, y1]: Box, from: ImageSize, to: ImageSize): Box => [
  ...scalePoint([x0, y0], from, to),
  ...scalePoint([x1, y1], from, to),
];

/** What the bytes of each colour become. */
const NORMALISED = MEAN.map((mean, c) => Float32Array.from({ length: 256 }, (_, value) => (value - mean) / STD[c]!));

/**
 * The network's input: resized, normalised, then padded with zeros (the mean colour) at the bottom and at the right.
 *
 * @param size What the image is resized to; its own size by default. It fits into a square of `side` pixels.
 * @param channels A fourth one is zero.
 * @returns float32 [1, side, side, channels].
 * @throws ImageError for a malformed image, SamError `image` when it does not fit.
 */
export function preprocessImage(
  image: PixelImage,
  side: number,
  size: ImageSize = image,
  channels: 3 | 4 = 3,
): Tensor4D {
  const { width, height } = size;
  if (width > side || height > side) {
    throw new SamError(
      'image',
      `An image of ${width}x${height} pixels does not fit into the network's ${side}x${side}.`,
    );
  }
  const frame = { height: side, width: side };
  return tidy(() => {
    const input = networkInput(image, { height, width, table: NORMALISED, channels, frame });
    return reshape(input, [1, side, side, channels]) as Tensor4D;
  });
}

/** The rectangle [x0, y0, x1, y1) of an image. @throws ImageError when it is empty or reaches beyond the image */
export function cropImage(image: PixelImage, [x0, y0, x1, y1]: Box): PixelImage {
  const { width, data } = toRgb(image);
  if (!(x0 >= 0 && y0 >= 0 && x1 <= width && y1 <= image.height && x0 < x1 && y0 < y1)) {
    throw new ImageError(
      `The crop ${x0},${y0},${x1},${y1} does not lie in an image of ${width}x${image.height} pixels.`,
    );
  }
  const size = { width: x1 - x0, height: y1 - y0 };
  const out = new Uint8Array(size.width * size.height * 3);
  for (let y = 0; y < size.height; y++) {
    const start = ((y0 + y) * width + x0) * 3;
    out.set(data.subarray(start, start + size.width * 3), y * size.width * 3);
  }
  return { ...size, data: out };
}
