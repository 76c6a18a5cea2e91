import { IMAGENET } from './index.js';

/** Plain-loop twin of `preprocess` from the definition of the cubic kernel, with weights in 2048ths. Pixels are RGBA words. */
export function preprocessReference(
  pixels: Int32Array,
  inHeight: number,
  inWidth: number,
  height: number,
  width: number,
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
        for (let py = Math.floor(sy) - 1; py <= Math.floor(sy) + 2; py++) {
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
