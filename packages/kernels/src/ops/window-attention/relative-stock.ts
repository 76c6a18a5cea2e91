import { concat, reshape, slice, type Tensor, type Tensor3D, tidy, tile, transpose } from '@tensorflow/tfjs-core';
import { stockMultiHeadAttention } from '../multi-head-attention/stock.js';
import type { RelativeWindowShape } from './relative.js';

/** The unfused twin of `relativeWindowAttention`, from stock tfjs operations. */
export function stockRelativeWindowAttention(
  qkv: Tensor,
  qkvBias: Tensor,
  rows: Tensor,
  columns: Tensor,
  { height, width, window, heads }: RelativeWindowShape,
): Tensor {
  return tidy(() => {
    const channels = qkv.shape[1]! / 3;
    const gridHeight = Math.ceil(height / window) * window;
    const gridWidth = Math.ceil(width / window) * window;
    const padding = (h: number, w: number) => tile(reshape(qkvBias, [1, 1, 3 * channels]), [h, w, 1]);
    let image: Tensor = reshape(qkv, [height, width, 3 * channels]);
    if (gridWidth > width) image = concat([image, padding(height, gridWidth - width)], 1);
    if (gridHeight > height) image = concat([image, padding(gridHeight - height, gridWidth)], 0);

    // [rows / w, w, columns / w, w * 3C] -> [windows, w * w, 3C]
    const grouped = reshape(image, [gridHeight / window, window, gridWidth / window, window * 3 * channels]);
    const windows = reshape(transpose(grouped, [0, 2, 1, 3]), [-1, window * window, 3 * channels]);
    const mixed = stockMultiHeadAttention(windows, windows, windows, {
      heads,
      channels,
      keyColumn: channels,
      valueColumn: 2 * channels,
      relative: { height: window, width: window, rows, columns },
    });
    const restored = transpose(
      reshape(mixed, [gridHeight / window, gridWidth / window, window, window * channels]),
      [0, 2, 1, 3],
    );
    const whole = reshape(restored, [gridHeight, gridWidth, channels]) as Tensor3D;
    return reshape(slice(whole, [0, 0, 0], [height, width, channels]), [height * width, channels]);
  });
}
