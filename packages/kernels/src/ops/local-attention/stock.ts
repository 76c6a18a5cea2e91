import {
  add,
  concat,
  fill,
  gather,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  type Tensor,
  type Tensor2D,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import type { LocalGatedAttentionInput } from './index.js';

/**
 * The unfused twin of `localGatedAttention`: a dense tokens x tokens map in which everything outside the windows is
 * masked, as implementations without a kernel of their own do it.
 */
export function stockLocalGatedAttention(input: LocalGatedAttentionInput): Tensor {
  const { height, width, window, query, queryColumns, key, keyColumns, relative, values, scale } = input;
  const tokens = height * width;
  const radius = (window - 1) / 2;
  return tidy(() => {
    const stride = relative.shape[1]! + 1;
    const index = new Int32Array(tokens * tokens);
    for (let q = 0; q < tokens; q++) {
      for (let k = 0; k < tokens; k++) {
        const dy = Math.floor(k / width) - Math.floor(q / width) + radius;
        const dx = (k % width) - (q % width) + radius;
        const inside = dy >= 0 && dy < window && dx >= 0 && dx < window;
        index[q * tokens + k] = q * stride + (inside ? dy * window + dx : stride - 1);
      }
    }
    const masked = reshape(concat([relative as Tensor2D, fill([tokens, 1], -1e8)], 1), [-1]);
    const bias = gather(masked, tensor2d(index, [tokens, tokens], 'int32'));
    const columns = (x: Tensor, [first, count]: readonly [number, number] = [0, x.shape[1]!]) =>
      slice(x as Tensor2D, [0, first], [-1, count]);
    const scores = mul(matMul(columns(query, queryColumns), columns(key, keyColumns), false, true), scale);
    const weights = softmax(add(scores, bias)) as Tensor2D;
    return concat(
      values.map(({ tensor, gate }) => {
        const out = matMul(weights, tensor as Tensor2D);
        return gate ? mul(out, gate) : out;
      }),
      1,
    );
  });
}
