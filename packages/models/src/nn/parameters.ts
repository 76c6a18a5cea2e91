import { reshape, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { CheckpointError, encodeF16, type WeightReader } from '../checkpoint/index.js';

/** Weights of a linear layer, in the layout of `gemm`. */
export interface Linear {
  /** float32 [in, out], or int32 [in, out / 2] with pairs of float16. */
  weight: Tensor;
  /** float32 [out]. */
  bias: Tensor;
}

/** Weights of a normalisation layer. */
export interface Affine {
  weight: Tensor;
  bias: Tensor;
}

/**
 * PyTorch's [out, in] as [in, columns]: rows `first` to `first + count` of the source, zero columns after them.
 *
 * @param source Flat [*, inputs].
 */
export function transposeLinear(
  source: Float32Array,
  inputs: number,
  first: number,
  count: number,
  columns = count,
): Float32Array {
  const out = new Float32Array(inputs * columns);
  for (let o = 0; o < count; o++) {
    for (let i = 0; i < inputs; i++) out[i * columns + o] = source[(first + o) * inputs + i]!;
  }
  return out;
}

/** The bias that goes with `transposeLinear`; `fill` in the added columns. */
function sliceBias(source: Float32Array, first: number, count: number, columns = count, fill = 0): Float32Array {
  const out = new Float32Array(columns).fill(fill);
  out.set(source.subarray(first, first + count));
  return out;
}

/** How a linear layer is read. */
export interface LinearOptions {
  /** Only these outputs: [first, count]. */
  outputs?: readonly [first: number, count: number];
  /** Zero outputs are added up to this many, so that vector kernels apply. */
  paddedOutputs?: number;
  /** Bias of the added outputs. */
  paddedBias?: number;
  /** Set for a 1x1 convolution, whose weight is [out, in, 1, 1]. */
  pointwise?: boolean;
  /** False for a layer without one, which has zeros instead. */
  bias?: boolean;
  /** Keeps the weight as pairs of float16, which the kernels' `gemm` reads and no other; an even number of outputs. */
  float16?: boolean;
}

/** Reads `key.weight` and `key.bias` of a linear layer or a 1x1 convolution. */
export async function loadLinear(
  weights: WeightReader,
  key: string,
  inputs: number,
  outputs: number,
  options: LinearOptions = {},
): Promise<Linear> {
  const [first, count] = options.outputs ?? [0, outputs];
  const columns = options.paddedOutputs ?? count;
  const weight = await weights.take(`${key}.weight`, options.pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs]);
  const bias = options.bias === false ? new Float32Array(outputs) : await weights.take(`${key}.bias`, [outputs]);
  const matrix = transposeLinear(weight, inputs, first, count, columns);
  return {
    weight: weights.own(
      options.float16
        ? tensor(float16Pairs(matrix, `${key}.weight`, weights.file), [inputs, columns / 2], 'int32')
        : tensor(matrix, [inputs, columns]),
    ),
    bias: weights.own(tensor(sliceBias(bias, first, count, columns, options.paddedBias))),
  };
}

/** Pairs of float16, the first of each in the lower bits. @throws CheckpointError `not-finite` for what float16 cannot hold */
function float16Pairs(values: Float32Array, key: string, file: string): Int32Array {
  const tooLarge = values.find((value) => Math.abs(value) >= 65520);
  if (tooLarge !== undefined) {
    throw new CheckpointError('not-finite', `"${key}" holds ${tooLarge}, which is too large for float16`, {
      file,
      key,
    });
  }
  return new Int32Array(encodeF16(values).buffer);
}

/** A linear layer as a 1x1 convolution: the weight as [1, 1, in, out]. Takes over the tensors. */
export function asConv(weights: WeightReader, { weight, bias }: Linear): Linear {
  const conv = weights.own(reshape(weight, [1, 1, ...weight.shape]));
  weight.dispose();
  return { weight: conv, bias };
}

/** Reads norms and sets their channels side by side, for one normalisation of several groups of channels. */
export async function loadAffine(weights: WeightReader, keys: readonly string[], channels: number): Promise<Affine> {
  const join = async (part: 'weight' | 'bias') => {
    const out = new Float32Array(keys.length * channels);
    for (const [i, key] of keys.entries()) out.set(await weights.take(`${key}.${part}`, [channels]), i * channels);
    return weights.own(tensor(out));
  };
  return { weight: await join('weight'), bias: await join('bias') };
}

/** PyTorch's convolution weight [out, in, kh, kw] as [kh, kw, paddedIn, out]; the added input channels have zero weights. */
export function convLayout(
  source: Float32Array,
  [outputs, inputs, kernelHeight, kernelWidth]: readonly [number, number, number, number],
  paddedInputs = inputs,
): Float32Array {
  const out = new Float32Array(kernelHeight * kernelWidth * paddedInputs * outputs);
  const taps = kernelHeight * kernelWidth;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let tap = 0; tap < taps; tap++) {
        out[(tap * paddedInputs + i) * outputs + o] = source[(o * inputs + i) * taps + tap]!;
      }
    }
  }
  return out;
}

/** Reads a square convolution. @param hasBias False for one without, which has zeros instead. */
export async function loadConv(
  weights: WeightReader,
  key: string,
  inputs: number,
  outputs: number,
  kernel: number,
  hasBias = true,
): Promise<Linear> {
  const shape = [outputs, inputs, kernel, kernel] as const;
  const weight = await weights.take(`${key}.weight`, shape);
  const bias = hasBias ? await weights.take(`${key}.bias`, [outputs]) : new Float32Array(outputs);
  return {
    weight: weights.own(tensor(convLayout(weight, shape), [kernel, kernel, inputs, outputs])),
    bias: weights.own(tensor(bias)),
  };
}

/** Reads a depth-wise convolution without bias, [channels, 1, k, k], as [k, k, channels, 1]. */
export async function loadDepthwise(
  weights: WeightReader,
  key: string,
  channels: number,
  kernel: number,
): Promise<Tensor> {
  const weight = await weights.take(`${key}.weight`, [channels, 1, kernel, kernel]);
  const taps = kernel * kernel;
  const out = new Float32Array(weight.length);
  for (let c = 0; c < channels; c++)
    for (let tap = 0; tap < taps; tap++) out[tap * channels + c] = weight[c * taps + tap]!;
  return weights.own(tensor(out, [kernel, kernel, channels, 1]));
}
