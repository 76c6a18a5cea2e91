import { concat, matMul, mul, slice, softmax, type Tensor, type Tensor2D, tidy } from '@tensorflow/tfjs-core';
import type { GatedAttentionInput } from './index.js';

/** The unfused twin of `gatedAttention`: the whole attention map, from stock tfjs operations. */
export function stockGatedAttention(input: GatedAttentionInput): Tensor {
  const { query, queryColumns, keys, values, validKeys, scale } = input;
  return tidy(() => {
    const [first, count] = queryColumns ?? [0, query.shape[1]!];
    const q = slice(query as Tensor2D, [0, first], [-1, count]);
    const weights = softmax(mul(matMul(q, slice(keys as Tensor2D, [0, 0], [-1, validKeys])), scale));
    return concat(
      values.map(({ tensor, gate }) => {
        const out = matMul(weights as Tensor2D, slice(tensor as Tensor2D, [0, 0], [validKeys, -1]));
        return gate ? mul(out, gate) : out;
      }),
      1,
    );
  });
}
