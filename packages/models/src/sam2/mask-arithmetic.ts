import { components8 } from '../masks/regions.js';

/** Numbers in rows, such as logits of a mask. */
export interface FloatMap {
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** For each output sample the input samples it is made of. */
type Taps = readonly { first: number; weights: readonly number[] }[];

/** PyTorch's bilinear interpolation with half-pixel centres: two neighbours. */
function bilinearTaps(input: number, output: number): Taps {
  const scale = input / output;
  return Array.from({ length: output }, (_, i) => {
    const position = Math.max(0, (i + 0.5) * scale - 0.5);
    const first = Math.min(Math.floor(position), input - 1);
    const t = position - first;
    return first + 1 < input ? { first, weights: [1 - t, t] } : { first, weights: [1] };
  });
}

/** The same with antialiasing: a triangle as wide as the larger of an input and an output sample. */
function antialiasedTaps(input: number, output: number): Taps {
  const scale = input / output;
  const support = Math.max(scale, 1);
  return Array.from({ length: output }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(input, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((first + k - centre + 0.5) / support)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}

function resized({ height, width, data }: FloatMap, outHeight: number, outWidth: number, taps: typeof bilinearTaps) {
  const columns = taps(width, outWidth);
  const rows = taps(height, outHeight);
  const narrow = new Float64Array(height * outWidth);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < outWidth; x++) {
      const { first, weights } = columns[x]!;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[y * width + first + k]!;
      narrow[y * outWidth + x] = sum;
    }
  }
  const out = new Float32Array(outHeight * outWidth);
  for (let y = 0; y < outHeight; y++) {
    const { first, weights } = rows[y]!;
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * narrow[(first + k) * outWidth + x]!;
      out[y * outWidth + x] = sum;
    }
  }
  return { height: outHeight, width: outWidth, data: out };
}

/** Bilinear resize, half-pixel centres, no antialiasing. */
export const resizeMap = (map: FloatMap, height: number, width: number): FloatMap =>
  resized(map, height, width, bilinearTaps);

/** Bilinear resize with antialiasing. */
export const resizeMapAntialiased = (map: FloatMap, height: number, width: number): FloatMap =>
  resized(map, height, width, antialiasedTaps);

/** IoU of a mask's two versions, cut above and below the threshold (sam2, `_get_stability_scores`); 1 where there is nothing. */
export function stabilityScore(logits: Float32Array, delta: number): number {
  let high = 0;
  let low = 0;
  for (const logit of logits) {
    if (logit > delta) high++;
    if (logit > -delta) low++;
  }
  return low > 0 ? high / low : 1;
}

/** Largest hole that is filled, in pixels of the low resolution (sam2, `fill_hole_area`). */
export const FILLED_HOLE_AREA = 8;

/** What a filled hole's logits become. */
const FILLED = 0.1;

/**
 * Fills holes of a mask: 8-connected regions of logits of at most 0 whose area is at most `maxArea` (sam2,
 * `utils/misc.py`, `fill_holes_in_mask_scores`).
 * @returns A copy, and how many pixels were filled.
 */
export function fillHoles({ height, width, data }: FloatMap, maxArea: number): { data: Float32Array; filled: number } {
  const inside = Uint8Array.from(data, (logit) => (logit > 0 ? 1 : 0));
  const { labels, areas } = components8(inside, width, height, 0);
  let filled = 0;
  const out = data.map((logit, i) => {
    if (labels[i] === 0 || areas[labels[i]!]! > maxArea) return logit;
    filled++;
    return FILLED;
  });
  return { data: out, filled };
}
