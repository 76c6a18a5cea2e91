import {
  add,
  gather,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  type Tensor,
  tensor1d,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { attentionShape, type MultiHeadAttentionOptions, type RelativePosition } from './index.js';

/** The unfused twin of `multiHeadAttention`, from stock tfjs operations. */
export function stockMultiHeadAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: Omit<MultiHeadAttentionOptions, 'variant'>,
): Tensor {
  const { heads, mask, queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
  const { batch, queries, channels, headSize } = attentionShape(query, key, value, options);
  const batched = [query, key, value].some(({ rank }) => rank === 3);
  return tidy(() => {
    // [batch or 1, heads, T, head size]
    const split = (t: Tensor, column: number) => {
      const [rows, width] = t.shape.slice(-2) as [number, number];
      const part = slice(reshape(t, [-1, rows, width]), [0, 0, column], [-1, rows, channels]);
      return transpose(reshape(part, [-1, rows, heads, headSize]), [0, 2, 1, 3]);
    };
    const scaled = mul(split(query, queryColumn), options.scale ?? 1 / Math.sqrt(headSize));
    let scores = matMul(scaled, split(key, keyColumn), false, true);
    if (options.relative) scores = add(scores, relativeBias(split(query, queryColumn), options.relative));
    if (mask) scores = add(scores, mask);
    const mixed = transpose(matMul(softmax(scores), split(value, valueColumn)), [0, 2, 1, 3]);
    return reshape(mixed, batched ? [batch, queries, channels] : [queries, channels]);
  });
}

/** [batch, heads, T, T] from queries [batch, heads, T, head size]. */
function relativeBias(query: Tensor, { height, width, rows, columns }: RelativePosition): Tensor {
  const [batch, heads, , headSize] = query.shape as [number, number, number, number];
  // Vectors by query and key position along an axis, [side, side, head size].
  const vectors = (table: Tensor, side: number) => {
    const index = Int32Array.from({ length: side * side }, (_, i) => Math.floor(i / side) - (i % side) + side - 1);
    return reshape(gather(reshape(table, [2 * side - 1, headSize]), tensor1d(index, 'int32')), [side, side, headSize]);
  };
  const grid = reshape(query, [batch * heads, height, width, headSize]);
  const byRow = transpose(grid, [1, 0, 2, 3]);
  const alongRows = matMul(
    reshape(byRow, [height, batch * heads * width, headSize]),
    vectors(rows, height),
    false,
    true,
  );
  const y = transpose(reshape(alongRows, [height, batch * heads, width, height]), [1, 0, 2, 3]);
  const byColumn = transpose(grid, [2, 0, 1, 3]);
  const alongColumns = matMul(
    reshape(byColumn, [width, batch * heads * height, headSize]),
    vectors(columns, width),
    false,
    true,
  );
  const x = transpose(reshape(alongColumns, [width, batch * heads, height, width]), [1, 2, 0, 3]);
  const tokens = height * width;
  return reshape(add(reshape(y, [batch * heads, tokens, height, 1]), reshape(x, [batch * heads, tokens, 1, width])), [
    batch,
    heads,
    tokens,
    tokens,
  ]);
}
