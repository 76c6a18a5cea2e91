import { channelsOf, checkSize, type PixelImage, toRgb } from './pixels.js';

/** Fractional bits of a weight: 8 bits of pixel and 2 of head room are left of 32. */
const BITS = 22;

/** Source samples and their weights for every output sample along one axis. */
export interface Taps {
  /** Samples that the widest output reads; weights of the others are zero beyond `counts`. */
  readonly width: number;
  readonly first: Int32Array;
  readonly counts: Int32Array;
  /** [outputs, width], each 22-bit fixed point. */
  readonly weights: Int32Array;
}

/** What images are resized with: Pillow's filters of these names. */
export type ResizeFilter = 'bilinear' | 'bicubic';

/** Weights by distance, and how far they reach. */
const FILTERS: Record<ResizeFilter, { reach: number; weight: (distance: number) => number }> = {
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - x) },
  // a = -0.5, unlike OpenCV's and PyTorch's.
  bicubic: {
    reach: 2,
    weight: (x) => {
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
};

/**
 * A filter that is stretched where an image shrinks, so that every input counts. Weights are normalised in float64, then
 * rounded.
 */
export function filterTaps(input: number, output: number, filter: ResizeFilter = 'bilinear'): Taps {
  const { reach, weight } = FILTERS[filter];
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  const perSample = 1 / stretch;
  const width = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const counts = new Int32Array(output);
  const weights = new Int32Array(output * width);
  const row = new Float64Array(width);
  for (let i = 0; i < output; i++) {
    const centre = (i + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(input, Math.trunc(centre + support + 0.5)) - begin;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      row[k] = weight(Math.abs((begin + k - centre + 0.5) * perSample));
      sum += row[k]!;
    }
    const normalise = 1 / sum;
    first[i] = begin;
    counts[i] = count;
    for (let k = 0; k < count; k++) {
      const share = row[k]! * normalise * 2 ** BITS;
      weights[i * width + k] = Math.trunc(share + (share < 0 ? -0.5 : 0.5));
    }
  }
  return { width, first, counts, weights };
}

/** Rows resized to `outWidth` pixels of RGB. */
function resizeRows(
  source: PixelImage['data'],
  inWidth: number,
  outWidth: number,
  height: number,
  filter: ResizeFilter,
): Uint8Array {
  const { width, first, counts, weights } = filterTaps(inWidth, outWidth, filter);
  const out = new Uint8ClampedArray(outWidth * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const start = y * inWidth;
    for (let x = 0; x < outWidth; x++, to += 3) {
      const end = x * width + counts[x]!;
      let from = (start + first[x]!) * 3;
      let red = 1 << (BITS - 1);
      let green = red;
      let blue = red;
      for (let k = x * width; k < end; k++, from += 3) {
        const weight = weights[k]!;
        red += Math.imul(weight, source[from]!);
        green += Math.imul(weight, source[from + 1]!);
        blue += Math.imul(weight, source[from + 2]!);
      }
      out[to] = red >> BITS;
      out[to + 1] = green >> BITS;
      out[to + 2] = blue >> BITS;
    }
  }
  return new Uint8Array(out.buffer);
}

/** Columns resized to `outHeight` rows of `stride` bytes; whole rows are summed, which reads memory in order. */
function resizeColumns(
  source: PixelImage['data'],
  stride: number,
  inHeight: number,
  outHeight: number,
  filter: ResizeFilter,
): Uint8Array {
  const { width, first, counts, weights } = filterTaps(inHeight, outHeight, filter);
  const out = new Uint8ClampedArray(stride * outHeight);
  const sums = new Int32Array(stride);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(1 << (BITS - 1));
    for (let k = 0; k < counts[y]!; k++) {
      const weight = weights[y * width + k]!;
      const from = (first[y]! + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] = sums[i]! + Math.imul(weight, source[from + i]!);
    }
    const to = y * stride;
    for (let i = 0; i < stride; i++) out[to + i] = sums[i]! >> BITS;
  }
  return new Uint8Array(out.buffer);
}

/**
 * Resize with antialiasing, bilinear by default, bit by bit what Pillow's `Image.resize(size, filter)` gives for 8-bit RGB
 * (Pillow, `src/libImaging/Resample.c`): separable, rows first, 8-bit between the passes, weights in 22-bit fixed point.
 * Segment Anything and Grounding DINO were trained and are run on images resized so; plain bilinear sampling differs
 * visibly wherever an image shrinks.
 *
 * @param image Grey, RGB or RGBA; alpha is dropped.
 * @returns RGB of `width` x `height` pixels; the given image's own RGB when the size does not change.
 * @throws ImageError for a malformed image or a size that is not at least 1x1.
 */
export function resizeAntialiased(
  image: PixelImage,
  width: number,
  height: number,
  filter: ResizeFilter = 'bilinear',
): PixelImage {
  channelsOf(image);
  checkSize(width, height);
  const source = toRgb(image);
  let { data } = source;
  if (width !== image.width) data = resizeRows(data, image.width, width, image.height, filter);
  if (height !== image.height) data = resizeColumns(data, width * 3, image.height, height, filter);
  return { width, height, data };
}
