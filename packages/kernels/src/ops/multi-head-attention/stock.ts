import { add, matMul, mul, reshape, slice, softmax, type Tensor, tidy, transpose } from '@tensorflow/tfjs-core';
import { attentionShape, type MultiHeadAttentionOptions } from './index.js';

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
    if (mask) scores = add(scores, mask);
    const mixed = transpose(matMul(softmax(scores), split(value, valueColumn)), [0, 2, 1, 3]);
    return reshape(mixed, batched ? [batch, queries, channels] : [queries, channels]);
  });
}
