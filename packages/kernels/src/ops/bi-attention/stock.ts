import { add, matMul, reshape, softmax, type Tensor, tidy, transpose } from '@tensorflow/tfjs-core';
import type { BiAttentionInput, BiAttentionResult } from './index.js';

const HEADS = 4;

/** The unfused twin of `biAttention`, from stock tfjs operations, with all scores at once. */
export function stockBiAttention(input: BiAttentionInput): BiAttentionResult {
  const { image, keys, keyBias, values, bias, residual } = input;
  const [tokens] = image.shape as [number, number];
  const columns = keyBias.size;
  return tidy(() => {
    const scores = reshape(add(matMul(image, keys), keyBias), [tokens, columns / HEADS, HEADS]);
    // [heads, S, L] and back.
    const overText = transpose(softmax(transpose(scores, [2, 0, 1])), [1, 2, 0]);
    let mixed: Tensor = matMul(reshape(overText, [tokens, columns]), values);
    if (bias) mixed = add(mixed, bias);
    if (residual) mixed = add(mixed, residual);
    const overImage = softmax(reshape(transpose(scores, [1, 2, 0]), [columns, tokens]));
    return { image: mixed, text: matMul(overImage, image) };
  });
}
