import { resizeBilinearReference } from '../resize-bilinear/reference.js';
import type { MaskGeometry } from './plan.js';

/** Logits of one mask at the size of the image, by the two interpolations one after the other, in float64. */
export function maskValuesReference(logits: ArrayLike<number>, geometry: MaskGeometry): Float64Array {
  const { side, frame, input, output } = geometry;
  const framed = resizeBilinearReference(logits, {
    height: side,
    width: side,
    channels: 1,
    outHeight: frame,
    outWidth: frame,
  });
  const cropped = Float64Array.from({ length: input.height * input.width }, (_, i) => {
    return framed[Math.floor(i / input.width) * frame + (i % input.width)]!;
  });
  return resizeBilinearReference(cropped, {
    ...input,
    channels: 1,
    outHeight: output.height,
    outWidth: output.width,
  });
}

/** The bits of a mask, column by column. */
export function maskBitsReference(values: Float64Array, { output }: MaskGeometry, threshold: number): Float64Array {
  const words = Math.ceil(output.height / 32);
  const bits = new Int32Array(output.width * words);
  for (const [i, value] of values.entries()) {
    const [x, y] = [i % output.width, Math.floor(i / output.width)];
    if (value > threshold) bits[x * words + (y >> 5)]! |= 1 << (y & 31);
  }
  return Float64Array.from(bits);
}

/** The partial counts of strips of 64 columns. */
export function maskStatisticsReference(
  values: Float64Array,
  { output }: MaskGeometry,
  { threshold, offset }: { threshold: number; offset: number },
): Float64Array {
  const out = new Float64Array(Math.ceil(output.width / 64) * 8);
  for (const [i, value] of values.entries()) {
    const [x, y] = [i % output.width, Math.floor(i / output.width)];
    const at = (x >> 6) * 8;
    if (value > threshold + offset) out[at]!++;
    if (value > threshold - offset) out[at + 1]!++;
    if (!(value > threshold)) continue;
    out[at + 2]!++;
    for (const [k, reach] of [0x7fffffff - x, 0x7fffffff - y, x + 1, y + 1].entries()) {
      out[at + 3 + k] = Math.max(out[at + 3 + k]!, reach);
    }
  }
  return out;
}
