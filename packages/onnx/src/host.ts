import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { Layout, Values } from './tensors.js';

/** Where a step on the CPU writes. */
export interface HostOutput {
  readonly dtype?: 'float32' | 'int32';
  /** Of the tensor. */
  readonly shape: readonly number[];
  /** Of the contents, where they do not lie channels last. */
  readonly layout?: Layout;
}

/** Runs steps on the CPU between graphs, for what ONNX has no operations for. */
export interface Host {
  /** A step on the CPU in the order of the others: from the contents of tensors, channels last, to new tensors. */
  host(
    reads: readonly TensorInfo[],
    outputs: readonly HostOutput[],
    work: (inputs: readonly Values[], outputs: readonly Values[]) => void,
  ): Tensor[];
  /** The same, to a tensor that exists. */
  into<T extends Tensor>(
    reads: readonly TensorInfo[],
    target: T,
    work: (inputs: readonly Values[], target: Values) => void,
  ): T;
}
