import {
  concat,
  div,
  expandDims,
  gather,
  matMul,
  mul,
  softmax,
  sum,
  type Tensor,
  type Tensor2D,
  tensor2d,
  tidy,
  topk,
  where,
} from '@tensorflow/tfjs-core';
import type { LabelPropagationInput } from './index.js';

/** The unfused twin of `labelPropagation`: dense maps of all tokens against all tokens, masked outside the windows. */
export function stockLabelPropagation(input: LabelPropagationInput): Tensor {
  const { height, width, query, frames, temperature, topK } = input;
  const tokens = height * width;
  return tidy(() => {
    const scores = concat(
      frames.map(({ key, radius }) => {
        const inside = new Uint8Array(tokens * tokens);
        for (let q = 0; q < tokens; q++) {
          for (let k = 0; k < tokens; k++) {
            const dy = Math.floor(k / width) - Math.floor(q / width);
            const dx = (k % width) - (q % width);
            inside[q * tokens + k] = Number(Math.abs(dy) <= radius && Math.abs(dx) <= radius);
          }
        }
        return where(
          tensor2d(inside, [tokens, tokens], 'bool'),
          matMul(query as Tensor2D, key as Tensor2D, false, true),
          -1e4,
        ) as Tensor2D;
      }),
      1,
    );
    const { values, indices } = topk(scores, Math.min(topK, scores.shape[1]));
    const weights = softmax(div(values, temperature));
    const labels = concat(
      frames.map((frame) => frame.labels as Tensor2D),
      0,
    );
    return sum(mul(expandDims(weights, 2), gather(labels, indices as Tensor2D)), 1);
  });
}
