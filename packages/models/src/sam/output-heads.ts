/** What mask decoders end in: perceptrons of the output tokens, and up-convolutions of the image's. */
import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Linear, loadLinear } from '../nn/parameters.js';

/** Three linear layers with ReLU between them. */
export type OutputHead = readonly [Linear, Linear, Linear];

export async function loadHead(
  weights: WeightReader,
  key: string,
  channels: number,
  outputs: number,
): Promise<OutputHead> {
  const hidden = (layer: number) => loadLinear(weights, `${key}.layers.${layer}`, channels, channels);
  return [await hidden(0), await hidden(1), await loadLinear(weights, `${key}.layers.2`, channels, outputs)];
}

/** A perceptron over one token of each prompt; tokens [P, T * C]. */
export function applyHead(ops: OpSet, [first, second, last]: OutputHead, tokens: Tensor, index: number): Tensor {
  const channels = first.weight.shape[0]!;
  const hidden = ops.gemm(tokens, first.weight, {
    aColumns: [index * channels, channels],
    bias: first.bias,
    activation: 'relu',
  });
  const next = ops.gemm(hidden, second.weight, { bias: second.bias, activation: 'relu' });
  return ops.gemm(next, last.weight, { bias: last.bias });
}

/**
 * A transposed 2x2 convolution of stride 2, [in, out, 2, 2], as a matrix: no two outputs share an input, so each input pixel
 * gives the four pixels of a block, here side by side with their channels, [in, 4 * out].
 */
export async function loadUpscale(
  weights: WeightReader,
  key: string,
  inputs: number,
  outputs: number,
): Promise<Linear> {
  const source = await weights.take(`${key}.weight`, [inputs, outputs, 2, 2]);
  const bias = await weights.take(`${key}.bias`, [outputs]);
  const weight = new Float32Array(source.length);
  for (let row = 0; row < inputs * outputs; row++) {
    const [input, output] = [Math.floor(row / outputs), row % outputs];
    for (let tap = 0; tap < 4; tap++) weight[(input * 4 + tap) * outputs + output] = source[row * 4 + tap]!;
  }
  const shifts = Float32Array.from({ length: 4 * outputs }, (_, i) => bias[i % outputs]!);
  return {
    weight: weights.own(tensor(weight, [inputs, 4 * outputs])),
    bias: weights.own(tensor(shifts)),
  };
}
