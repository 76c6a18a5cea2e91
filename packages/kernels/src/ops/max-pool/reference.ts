import { convOutput } from '../../families/convolution.js';

/** Plain-loop twin of `maxPool` in float64; `x` is [height, width, channels]. */
export function maxPoolReference(
  x: ArrayLike<number>,
  shape: { height: number; width: number; channels: number; size: number; stride: number; padding: number },
): Float64Array {
  const { height, width, channels, size, stride, padding } = shape;
  const outHeight = convOutput(height, size, stride, 1, 2 * padding);
  const outWidth = convOutput(width, size, stride, 1, 2 * padding);
  const out = new Float64Array(outHeight * outWidth * channels).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < out.length; i++) {
    const pixel = Math.floor(i / channels);
    const top = Math.floor(pixel / outWidth) * stride - padding;
    const left = (pixel % outWidth) * stride - padding;
    for (let y = Math.max(0, top); y < Math.min(height, top + size); y++) {
      for (let px = Math.max(0, left); px < Math.min(width, left + size); px++) {
        out[i] = Math.max(out[i]!, x[(y * width + px) * channels + (i % channels)]!);
      }
    }
  }
  return out;
}
