/**
 * An 8-bit picture: rows from the top, channels interleaved. One channel is grey, three are RGB, four are RGBA, told by the length of
 * `data`, so a browser's `ImageData` is one as well. Alpha is ignored wherever a network looks.
 */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A picture that is none, or a size that no picture can have. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** Whether a number can be a side of a picture. */
const isSide = (side: number): boolean => Number.isSafeInteger(side) && side > 0;

/**
 * Channels of a picture.
 * @throws ImageError when its data is not 1, 3 or 4 bytes a pixel.
 */
export function channelsOf({ width, height, data }: PixelImage): 1 | 3 | 4 {
  if (!isSide(width) || !isSide(height)) throw new ImageError(`An image of ${width}x${height} pixels is none.`);
  const channels = data.length / (width * height);
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new ImageError(
      `An image of ${width}x${height} pixels has ${data.length} bytes: grey, RGB or RGBA would have 1, 3 or 4 a pixel.`,
    );
  }
  return channels;
}

/**
 * The picture as RGB: grey is repeated, alpha dropped. An RGB picture is returned as it is.
 * @param options.order Order of the source's colours; `rgb` by default.
 * @throws ImageError when the picture is malformed.
 */
export function toRgb(image: PixelImage, { order = 'rgb' }: { order?: 'rgb' | 'bgr' } = {}): PixelImage {
  const channels = channelsOf(image);
  if (channels === 3 && order === 'rgb') return image;
  const { width, height, data } = image;
  const [first, second, third] = channels === 1 ? [0, 0, 0] : order === 'rgb' ? [0, 1, 2] : [2, 1, 0];
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < out.length; from += channels, to += 3) {
    out[to] = data[from + first!]!;
    out[to + 1] = data[from + second!]!;
    out[to + 2] = data[from + third!]!;
  }
  return { width, height, data: out };
}

/** Checks a size that a picture is to have. @throws ImageError */
export function checkSize(width: number, height: number): void {
  if (!isSide(width) || !isSide(height))
    throw new ImageError(`An image cannot be resized to ${width}x${height} pixels.`);
}
