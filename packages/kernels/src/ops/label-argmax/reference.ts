import { resizeScale } from '../../families/interpolation.js';
import type { LabelArgmaxOptions } from './index.js';

/** Plain-loop twin of `labelArgmax` in float64; maps [h, w, channels], flat. */
export function labelArgmaxReference(
  maps: ArrayLike<number>,
  inHeight: number,
  inWidth: number,
  channels: number,
  { classes, height, width, alignCorners }: LabelArgmaxOptions,
): Float64Array {
  const shift = alignCorners ? 0 : 0.5;
  const scaleX = resizeScale(inWidth, width, alignCorners);
  const scaleY = resizeScale(inHeight, height, alignCorners);
  return Float64Array.from({ length: height * width }, (_, pixel) => {
    const x = Math.max(((pixel % width) + shift) * scaleX - shift, 0);
    const y = Math.max((Math.floor(pixel / width) + shift) * scaleY - shift, 0);
    const [x0, y0] = [Math.min(Math.floor(x), inWidth - 1), Math.min(Math.floor(y), inHeight - 1)];
    const [x1, y1] = [Math.min(x0 + 1, inWidth - 1), Math.min(y0 + 1, inHeight - 1)];
    const [fx, fy] = [x - x0, y - y0];
    const values = Array.from({ length: classes }, (_, c) => {
      const at = (py: number, px: number) => maps[(py * inWidth + px) * channels + c]!;
      const top = (1 - fx) * at(y0, x0) + fx * at(y0, x1);
      const bottom = (1 - fx) * at(y1, x0) + fx * at(y1, x1);
      return (1 - fy) * top + fy * bottom;
    });
    return values.indexOf(Math.max(...values));
  });
}
