import type { RelativeWindowShape } from './relative.js';

/** Plain-loop twin of `relativeWindowAttention` in float64: for each query, the positions of its window one by one. */
export function relativeWindowAttentionReference(
  qkv: ArrayLike<number>,
  qkvBias: ArrayLike<number>,
  rows: ArrayLike<number>,
  columns: ArrayLike<number>,
  { height, width, window, heads }: RelativeWindowShape,
): Float64Array {
  const channels = qkvBias.length / 3;
  const headSize = channels / heads;
  const out = new Float64Array(height * width * channels);
  /** Component of a token, or of the zeros beyond the image after the projection. */
  const at = (y: number, x: number, channel: number) =>
    y < height && x < width ? qkv[(y * width + x) * 3 * channels + channel]! : qkvBias[channel]!;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let head = 0; head < heads; head++) {
        const first = head * headSize;
        const keys: [y: number, x: number][] = [];
        for (let i = 0; i < window * window; i++)
          keys.push([y - (y % window) + Math.floor(i / window), x - (x % window) + (i % window)]);
        const scores = keys.map(([ky, kx]) => {
          const dy = y - ky + window - 1;
          const dx = x - kx + window - 1;
          let score = 0;
          for (let d = 0; d < headSize; d++) {
            const q = at(y, x, first + d);
            score += (q * at(ky, kx, channels + first + d)) / Math.sqrt(headSize);
            score += q * (rows[dy * headSize + d]! + columns[dx * headSize + d]!);
          }
          return score;
        });
        const highest = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - highest));
        const total = weights.reduce((a, b) => a + b, 0);
        for (let d = 0; d < headSize; d++) {
          let sum = 0;
          for (const [i, [ky, kx]] of keys.entries()) sum += weights[i]! * at(ky, kx, 2 * channels + first + d);
          out[(y * width + x) * channels + first + d] = sum / total;
        }
      }
    }
  }
  return out;
}
