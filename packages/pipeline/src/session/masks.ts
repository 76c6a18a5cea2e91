import {
  type CompressedRle,
  decompressRle,
  encodeLabelPng,
  type LabelMap,
  type LabelPngOptions,
  labelIds,
  type Rle,
  relabel,
} from '../io/index.js';

export { relabel };

/** The masks of a frame. */
export class ResultMask implements LabelMap {
  readonly width: number;
  readonly height: number;
  /** Object ids, `width * height`, rows from the top; 0 is background. */
  readonly data: Uint16Array;

  constructor({ width, height, data }: LabelMap) {
    this.width = width;
    this.height = height;
    this.data = data;
  }

  /** Ids of the objects in the frame, ascending. */
  get ids(): number[] {
    return labelIds(this);
  }

  /**
   * As PNG: indexed with 8 bits, or grey with 16 where an id is above 255.
   * @throws MaskError where 8 bits were asked for and do not suffice
   */
  async toPalettePng(options?: LabelPngOptions): Promise<Uint8Array> {
    return encodeLabelPng(this, options);
  }
}

/** Sets the pixels of a mask. */
export function paintRle({ data, height, width }: LabelMap, rle: Rle, id: number): void {
  let position = 0;
  for (const [i, count] of rle.counts.entries()) {
    if (i & 1) {
      let x = Math.floor(position / height);
      let y = position % height;
      for (let left = count; left > 0; left--) {
        data[y * width + x] = id;
        if (++y === height) {
          y = 0;
          x++;
        }
      }
    }
    position += count;
  }
}

/** Gives an object new pixels, and takes away those it had. */
export function replaceObject(labels: LabelMap, id: number, masks: readonly CompressedRle[]): void {
  relabel(labels, (old) => (old === id ? 0 : old));
  for (const mask of masks) paintRle(labels, decompressRle(mask), id);
}

/** One object's pixels: 1 where it is, else 0. */
export function pixelsOf({ data }: LabelMap, id: number): Uint8Array {
  const pixels = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) if (data[i] === id) pixels[i] = 1;
  return pixels;
}

/** Whether a mask has a pixel. */
export const hasPixels = (pixels: ArrayLike<number>): boolean => {
  for (let i = 0; i < pixels.length; i++) if (pixels[i]) return true;
  return false;
};

/**
 * Fills a polygon: pixels whose centres are inside by the even-odd rule, at corners given in pixels of the frame, where
 * (0, 0) is the upper left corner of the first pixel.
 */
export function fillPolygon(
  corners: readonly (readonly [number, number])[],
  width: number,
  height: number,
): Uint8Array {
  const pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const centre = y + 0.5;
    const crossings: number[] = [];
    for (const [i, [x0, y0]] of corners.entries()) {
      const [x1, y1] = corners[(i + 1) % corners.length]!;
      if (y0 <= centre === y1 <= centre) continue;
      crossings.push(x0 + ((centre - y0) / (y1 - y0)) * (x1 - x0));
    }
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.ceil(crossings[i]! - 0.5));
      const to = Math.min(width, Math.ceil(crossings[i + 1]! - 0.5));
      for (let x = from; x < to; x++) pixels[y * width + x] = 1;
    }
  }
  return pixels;
}

/** Connected parts of a mask, 8-neighbourhood, from the largest to the smallest; of equal ones the upper first. */
export function components(pixels: Uint8Array, width: number, height: number): Uint8Array[] {
  const seen = new Uint8Array(pixels.length);
  const parts: { pixels: Uint8Array; area: number }[] = [];
  for (let start = 0; start < pixels.length; start++) {
    if (!pixels[start] || seen[start]) continue;
    const part = new Uint8Array(pixels.length);
    const stack = [start];
    seen[start] = 1;
    let area = 0;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      part[at] = 1;
      area++;
      const [x, y] = [at % width, Math.floor(at / width)];
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (!pixels[next] || seen[next]) continue;
          seen[next] = 1;
          stack.push(next);
        }
      }
    }
    parts.push({ pixels: part, area });
  }
  return parts.sort((a, b) => b.area - a.area).map((part) => part.pixels);
}
