import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { convLayout } from './parameters.js';

/** Added to the running variance in every published model here. */
const EPSILON = 1e-5;

/** A square convolution whose batch normalisation is folded in. */
export interface FoldedConvShape {
  /** Input channels. */
  inputs: number;
  /** Output channels. */
  outputs: number;
  /** Side of the kernel. */
  kernel: number;
  /** Every channel has a kernel of its own; `inputs` equals `outputs`. */
  depthwise?: boolean;
  /** Input channels of the tensor it is applied to, where that has zero channels added. */
  paddedInputs?: number;
}

/**
 * Scale and shift of a frozen batch normalisation, `x * scale + shift`, in double precision.
 *
 * @param norm State-dict key of the normalisation.
 */
async function loadBatchNorm(
  weights: WeightReader,
  norm: string,
  channels: number,
): Promise<{ scale: Float64Array; shift: Float64Array }> {
  const weight = await weights.take(`${norm}.weight`, [channels]);
  const bias = await weights.take(`${norm}.bias`, [channels]);
  const mean = await weights.take(`${norm}.running_mean`, [channels]);
  const variance = await weights.take(`${norm}.running_var`, [channels]);
  const scale = new Float64Array(channels);
  const shift = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    scale[c] = weight[c]! / Math.sqrt(variance[c]! + EPSILON);
    shift[c] = bias[c]! - mean[c]! * scale[c]!;
  }
  return { scale, shift };
}

/**
 * Reads a convolution without bias and the frozen batch normalisation behind it as one convolution with bias.
 *
 * @param conv State-dict key of the convolution, without `.weight`.
 * @param norm State-dict key of the normalisation.
 * @returns The weight as [k, k, in, out], or [k, k, channels, 1] of a depth-wise convolution, and the bias [out].
 */
export async function loadFoldedConv(
  weights: WeightReader,
  conv: string,
  norm: string,
  { inputs, outputs, kernel, depthwise = false, paddedInputs }: FoldedConvShape,
): Promise<{ weight: Tensor; bias: Tensor }> {
  const shape = [outputs, depthwise ? 1 : inputs, kernel, kernel] as const;
  const weight = await weights.take(`${conv}.weight`, shape);
  const { scale, shift } = await loadBatchNorm(weights, norm, outputs);
  const perOutput = weight.length / outputs;
  for (let i = 0; i < weight.length; i++) weight[i] = weight[i]! * scale[Math.floor(i / perOutput)]!;
  // A depth-wise kernel is a convolution of one input channel, with its two last axes swapped: one of them is 1.
  const channels = depthwise ? 1 : (paddedInputs ?? inputs);
  return {
    weight: weights.own(
      tensor(convLayout(weight, shape, channels), [
        kernel,
        kernel,
        ...(depthwise ? [outputs, 1] : [channels, outputs]),
      ]),
    ),
    bias: weights.own(tensor(Float32Array.from(shift))),
  };
}
