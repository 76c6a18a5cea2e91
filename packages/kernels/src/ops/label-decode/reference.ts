import { resizeScale } from '../../families/interpolation.js';
import type { LabelDecodeOptions } from './index.js';

/** Plain-loop twin of `labelDecode` in float64; logits [groups, h, w, 12], flat. */
export function labelDecodeReference(
  logits: ArrayLike<number>,
  groups: number,
  inHeight: number,
  inWidth: number,
  { objects, height, width, alignCorners }: LabelDecodeOptions,
): Int32Array {
  const shift = alignCorners ? 0 : 0.5;
  const scaleX = resizeScale(inWidth, width, alignCorners);
  const scaleY = resizeScale(inHeight, height, alignCorners);
  const clamp = (p: number) => Math.min(Math.max(p, 1e-5), 1 - 1e-5);
  const labels = new Int32Array(height * width);
  for (let pixel = 0; pixel < labels.length; pixel++) {
    const x = Math.max(((pixel % width) + shift) * scaleX - shift, 0);
    const y = Math.max((Math.floor(pixel / width) + shift) * scaleY - shift, 0);
    const [x0, y0] = [Math.min(Math.floor(x), inWidth - 1), Math.min(Math.floor(y), inHeight - 1)];
    const [x1, y1] = [Math.min(x0 + 1, inWidth - 1), Math.min(y0 + 1, inHeight - 1)];
    const [fx, fy] = [x - x0, y - y0];
    const scores = [1];
    for (let g = 0; g < groups; g++) {
      const count = Math.min(objects - 10 * g, 10);
      const at = (py: number, px: number, c: number) => logits[((g * inHeight + py) * inWidth + px) * 12 + c]!;
      const values = Array.from({ length: count + 1 }, (_, c) => {
        const top = (1 - fx) * at(y0, x0, c) + fx * at(y0, x1, c);
        const bottom = (1 - fx) * at(y1, x0, c) + fx * at(y1, x1, c);
        return (1 - fy) * top + fy * bottom;
      });
      if (groups === 1) {
        scores.splice(0, 1, ...values);
        continue;
      }
      const exponentials = values.map((v) => Math.exp(v - Math.max(...values)));
      const sum = exponentials.reduce((a, b) => a + b);
      scores[0]! *= exponentials[0]! / sum;
      for (let c = 1; c <= count; c++) scores.push(clamp(exponentials[c]! / sum));
    }
    if (groups > 1) scores[0] = clamp(scores[0]!);
    labels[pixel] = scores.indexOf(Math.max(...scores));
  }
  return labels;
}
