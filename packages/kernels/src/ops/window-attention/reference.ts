import type { WindowAttentionShape } from './index.js';

/**
 * Plain-loop twin of `windowAttention` in float64. It builds the padded grid, rolls it, attends window by window with the
 * regions of the shifted grid numbered 0 to 8, and rolls back: the steps that the kernel folds into its indices.
 */
export function windowAttentionReference(
  qkv: ArrayLike<number>,
  qkvBias: ArrayLike<number>,
  biasTable: ArrayLike<number>,
  { height, width, window, shift, heads }: WindowAttentionShape,
): Float64Array {
  const channels = qkvBias.length / 3;
  const headSize = channels / heads;
  const rows = Math.ceil(height / window) * window;
  const columns = Math.ceil(width / window) * window;
  const grid = new Float64Array(rows * columns * 3 * channels);
  const region = new Int32Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const fromY = (y + shift) % rows;
      const fromX = (x + shift) % columns;
      const inside = fromY < height && fromX < width;
      for (let c = 0; c < 3 * channels; c++) {
        grid[(y * columns + x) * 3 * channels + c] = inside
          ? qkv[(fromY * width + fromX) * 3 * channels + c]!
          : qkvBias[c]!;
      }
      const part = (position: number, length: number) =>
        position < length - window ? 0 : position < length - shift ? 1 : 2;
      if (shift > 0) region[y * columns + x] = 3 * part(y, rows) + part(x, columns);
    }
  }
  const out = new Float64Array(height * width * channels);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const toY = (y + shift) % rows;
      const toX = (x + shift) % columns;
      if (toY >= height || toX >= width) continue;
      const query = y * columns + x;
      const top = y - (y % window);
      const left = x - (x % window);
      for (let head = 0; head < heads; head++) {
        const at = (position: number, part: number, d: number) =>
          grid[position * 3 * channels + part * channels + head * headSize + d]!;
        const scores: number[] = [];
        const keys: number[] = [];
        for (let ky = top; ky < top + window; ky++) {
          for (let kx = left; kx < left + window; kx++) {
            const key = ky * columns + kx;
            let score = 0;
            for (let d = 0; d < headSize; d++) score += (at(query, 0, d) * at(key, 1, d)) / Math.sqrt(headSize);
            score += biasTable[((y - ky + window - 1) * (2 * window - 1) + x - kx + window - 1) * heads + head]!;
            scores.push(region[key] === region[query] ? score : score - 100);
            keys.push(key);
          }
        }
        const highest = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - highest));
        const total = weights.reduce((a, b) => a + b, 0);
        for (let d = 0; d < headSize; d++) {
          let sum = 0;
          for (const [i, key] of keys.entries()) sum += (weights[i]! / total) * at(key, 2, d);
          out[(toY * width + toX) * channels + head * headSize + d] = sum;
        }
      }
    }
  }
  return out;
}
