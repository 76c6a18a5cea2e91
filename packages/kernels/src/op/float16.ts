import type { Tensor } from '@tensorflow/tfjs-core';
import { type Check, tensorOf } from './arguments.js';

const known = new WeakSet<object>();

/**
 * Says that the words of a tensor are pairs of float16, the first of each in the lower bits: `gemm` then reads int32 [K, N / 2] as a
 * matrix [K, N], at half of the memory. Integers that nobody says that of are refused.
 * @param tensor int32, of any shape; returned.
 */
export function asFloat16(tensor: Tensor): Tensor {
  known.add(tensor.dataId);
  return tensor;
}

/** Whether a tensor holds pairs of float16. */
const isFloat16 = ({ dataId }: { readonly dataId: object }): boolean => known.has(dataId);

/** A tensor of float32, or of pairs of float16. */
export const float32OrFloat16: Check = (value, argument) => {
  const complaint = tensorOf('float32', 'int32')(value, argument);
  if (complaint) return complaint;
  const tensor = value as Tensor;
  if (tensor.dtype === 'float32' || isFloat16(tensor)) return undefined;
  const message = `${argument} is int32: cast it, tf.cast(${argument}, 'float32'), or say with asFloat16 that its words are pairs of float16`;
  return { argument, message };
};
