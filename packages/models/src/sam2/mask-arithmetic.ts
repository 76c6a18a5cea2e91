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
  const out = data.slice();
  const seen = new Uint8Array(data.length);
  const region: number[] = [];
  let filled = 0;
  for (let start = 0; start < data.length; start++) {
    if (seen[start] || data[start]! > 0) continue;
    region.length = 0;
    region.push(start);
    seen[start] = 1;
    for (let i = 0; i < region.length; i++) {
      const y = Math.floor(region[i]! / width);
      const x = region[i]! % width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (seen[next] || data[next]! > 0) continue;
          seen[next] = 1;
          region.push(next);
        }
      }
    }
    if (region.length > maxArea) continue;
    filled += region.length;
    for (const pixel of region) out[pixel] = FILLED;
  }
  return { data: out, filled };
}
