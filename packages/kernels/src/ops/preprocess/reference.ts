import { IMAGENET, type ResizeMethod } from './index.js';

/** Share of source pixel `i` in the output pixel that covers [start, start + length). */
const coverage = (i: number, start: number, length: number) =>
  Math.max(0, Math.min(i + 1, start + length) - Math.max(i, start)) / length;

/**
 * Plain-loop twin of `preprocess`: from the definition of the cubic kernel, with weights in 2048ths, or as a mean over the
 * area. Pixels are RGBA words.
 */
export function preprocessReference(
  pixels: Int32Array,
  inHeight: number,
  inWidth: number,
  height: number,
  width: number,
  method: ResizeMethod,
): Float64Array {
  const cubic = (distance: number) => {
    const d = Math.abs(distance);
    if (d <= 1) return 1.25 * d ** 3 - 2.25 * d ** 2 + 1;
    return d < 2 ? -0.75 * d ** 3 + 3.75 * d ** 2 - 6 * d + 3 : 0;
  };
  const out = new Float64Array(height * width * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sy = Math.fround((y + 0.5) * (inHeight / height) - 0.5);
      const sx = Math.fround((x + 0.5) * (inWidth / width) - 0.5);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        if (method === 'area') {
          for (let py = 0; py < inHeight; py++) {
            const rowShare = coverage(py, (y * inHeight) / height, inHeight / height);
            for (let px = 0; rowShare > 0 && px < inWidth; px++) {
              const share = rowShare * coverage(px, (x * inWidth) / width, inWidth / width);
              sum += share * 2 ** 22 * ((pixels[py * inWidth + px]! >>> (8 * c)) & 0xff);
            }
          }
        }
        for (let py = Math.floor(sy) - 1; method !== 'area' && py <= Math.floor(sy) + 2; py++) {
          for (let px = Math.floor(sx) - 1; px <= Math.floor(sx) + 2; px++) {
            const row = Math.min(Math.max(py, 0), inHeight - 1);
            const column = Math.min(Math.max(px, 0), inWidth - 1);
            const value = (pixels[row * inWidth + column]! >>> (8 * c)) & 0xff;
            sum += value * Math.round(2048 * cubic(sy - py)) * Math.round(2048 * cubic(sx - px));
          }
        }
        const level = Math.min(Math.max(Math.floor(sum / 2 ** 22 + 0.5), 0), 255);
        out[(y * width + x) * 4 + c] = (level / 255 - IMAGENET.mean[c]!) / IMAGENET.std[c]!;
      }
    }
  }
  return out;
}
