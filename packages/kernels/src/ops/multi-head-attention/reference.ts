import type { CaseTensor } from '../case.js';

/** What the plain-loop twin needs to know; columns and channels as in the operation's options. */
export interface AttentionReferenceOptions {
  heads: number;
  channels: number;
  scale?: number | undefined;
  queryColumn?: number | undefined;
  keyColumn?: number | undefined;
  valueColumn?: number | undefined;
  mask?: CaseTensor | undefined;
  /** Added to the score of a query and a key of a head, for terms that have a reference of their own. */
  bias?: ((query: (d: number) => number, queryIndex: number, keyIndex: number) => number) | undefined;
}

/** Plain-loop twin of `multiHeadAttention` in float64. */
export function multiHeadAttentionReference(
  query: CaseTensor,
  key: CaseTensor,
  value: CaseTensor,
  options: AttentionReferenceOptions,
): Float64Array {
  const { heads, channels, mask, bias, queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
  const headSize = channels / heads;
  const scale = options.scale ?? 1 / Math.sqrt(headSize);
  const batchOf = ({ shape }: CaseTensor) => (shape.length === 3 ? shape[0]! : 1);
  const batch = Math.max(batchOf(query), batchOf(key), batchOf(value));
  const [queries, keys] = [query.shape.at(-2)!, key.shape.at(-2)!];
  const at = (t: CaseTensor, b: number, row: number, column: number) => {
    const [rows, width] = t.shape.slice(-2) as [number, number];
    return t.values[((batchOf(t) === 1 ? 0 : b) * rows + row) * width + column]!;
  };
  const out = new Float64Array(batch * queries * channels);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < queries; i++) {
      for (let h = 0; h < heads; h++) {
        const q = (d: number) => at(query, b, i, queryColumn + h * headSize + d);
        const scores = new Float64Array(keys);
        for (let j = 0; j < keys; j++) {
          let score = 0;
          for (let d = 0; d < headSize; d++) score += scale * q(d) * at(key, b, j, keyColumn + h * headSize + d);
          if (mask) score += mask.values[(mask.shape[0] === 1 ? 0 : i) * keys + j]!;
          scores[j] = score + (bias?.(q, i, j) ?? 0);
        }
        const highest = scores.reduce((x, y) => Math.max(x, y));
        const weights = scores.map((score) => Math.exp(score - highest));
        const total = weights.reduce((x, y) => x + y, 0);
        for (let d = 0; d < headSize; d++) {
          let sum = 0;
          for (let j = 0; j < keys; j++) sum += weights[j]! * at(value, b, j, valueColumn + h * headSize + d);
          out[(b * queries + i) * channels + h * headSize + d] = sum / total;
        }
      }
    }
  }
  return out;
}
