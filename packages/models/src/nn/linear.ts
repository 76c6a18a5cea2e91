import { asFloat16, type GemmOptions, type OpSet } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { CheckpointError, encodeF16 } from '../checkpoint/index.js';
import { transposeLinear } from './parameters.js';
import type { LayerSource } from './source.js';

/** What may follow a linear layer, and which columns of its input it reads. */
export type LinearForwardOptions = Pick<GemmOptions, 'activation' | 'gate' | 'residual' | 'aColumns'>;

/** How a linear layer is read. */
export interface LinearOptions {
  /** Only these outputs: [first, count]. */
  outputs?: readonly [first: number, count: number] | undefined;
  /** Zero outputs are added up to this many, so that vector kernels apply. */
  paddedOutputs?: number | undefined;
  /** Bias of the added outputs. */
  paddedBias?: number | undefined;
  /** Set for a 1x1 convolution, whose weight is [out, in, 1, 1]. */
  pointwise?: boolean | undefined;
  /** False for a layer without one, which has zeros instead. */
  bias?: boolean | undefined;
  /** Keeps the weight as pairs of float16, which the kernels' `gemm` reads and no other; an even number of outputs. */
  float16?: boolean | undefined;
}

/** A linear layer, `x W + b`. */
export class Linear {
  constructor(
    private readonly ops: OpSet,
    /** float32 [in, out], or int32 [in, out / 2] with pairs of float16. */
    readonly weight: Tensor,
    /** float32 [out]. */
    readonly bias: Tensor,
  ) {}

  /** Reads `key.weight` and `key.bias` of a linear layer or a 1x1 convolution. */
  static async load(
    source: LayerSource,
    key: string,
    inputs: number,
    outputs: number,
    options: LinearOptions = {},
  ): Promise<Linear> {
    const { weights, ops } = source;
    const [first, count] = options.outputs ?? [0, outputs];
    const columns = options.paddedOutputs ?? count;
    const stored = await weights.take(`${key}.weight`, options.pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs]);
    const matrix = transposeLinear(stored, inputs, first, count, columns);
    const bias = new Float32Array(columns).fill(options.paddedBias ?? 0, count);
    if (options.bias !== false) {
      bias.set((await weights.take(`${key}.bias`, [outputs])).subarray(first, first + count));
    }
    if (!options.float16) return Linear.of(source, matrix, bias);
    const pairs = float16Pairs(matrix, `${key}.weight`, weights.file);
    return new Linear(
      ops,
      weights.own(asFloat16(tensor(pairs, [inputs, columns / 2], 'int32'))),
      weights.own(tensor(bias)),
    );
  }

  /**
   * Reads layers with the same inputs as one whose outputs stand side by side, so that one product computes them.
   * @param parts Name of weight and bias, and number of outputs, of each: `['attn.q_proj.weight', 'attn.q_proj.bias', 256]`.
   */
  static async loadJoined(
    source: LayerSource,
    parts: readonly (readonly [weight: string, bias: string, outputs: number])[],
    inputs: number,
  ): Promise<Linear> {
    const outputs = parts.reduce((sum, [, , count]) => sum + count, 0);
    const stored = new Float32Array(outputs * inputs);
    const bias = new Float32Array(outputs);
    let row = 0;
    for (const [weightKey, biasKey, count] of parts) {
      stored.set(await source.weights.take(weightKey, [count, inputs]), row * inputs);
      bias.set(await source.weights.take(biasKey, [count]), row);
      row += count;
    }
    return Linear.of(source, transposeLinear(stored, inputs, 0, outputs), bias);
  }

  /**
   * Reads a transposed 2x2 convolution of stride 2, [in, out, 2, 2]: no two outputs share an input, so each input pixel gives the
   * four pixels of a block, here side by side with their channels, [in, 4 * out].
   */
  static async loadUpscaling(source: LayerSource, key: string, inputs: number, outputs: number): Promise<Linear> {
    const stored = await source.weights.take(`${key}.weight`, [inputs, outputs, 2, 2]);
    const bias = await source.weights.take(`${key}.bias`, [outputs]);
    const weight = new Float32Array(stored.length);
    for (let row = 0; row < inputs * outputs; row++) {
      const [input, output] = [Math.floor(row / outputs), row % outputs];
      for (let tap = 0; tap < 4; tap++) weight[(input * 4 + tap) * outputs + output] = stored[row * 4 + tap]!;
    }
    return Linear.of(
      source,
      weight,
      Float32Array.from({ length: 4 * outputs }, (_, i) => bias[i % outputs]!),
    );
  }

  /** A layer of values that were computed from weights. @param weight Flat [in, out]. */
  static of({ weights, ops }: LayerSource, weight: Float32Array, bias: Float32Array): Linear {
    const shape = [weight.length / bias.length, bias.length];
    return new Linear(ops, weights.own(tensor(weight, shape)), weights.own(tensor(bias)));
  }

  /**
   * `activation(x W + b) * gate + residual`.
   * @param x float32 [T, in].
   * @returns float32 [T, out].
   */
  forward(x: Tensor, options: LinearForwardOptions = {}): Tensor {
    return this.ops.gemm(x, this.weight, { bias: this.bias, ...options });
  }
}

/** Pairs of float16, the first of each in the lower bits. @throws CheckpointError `not-finite` for what float16 cannot hold */
function float16Pairs(values: Float32Array, key: string, file: string): Int32Array {
  const tooLarge = values.find((value) => Math.abs(value) >= 65520);
  if (tooLarge !== undefined) {
    const message = `"${key}" holds ${tooLarge}, which is too large for float16`;
    throw new CheckpointError('not-finite', message, { file, key });
  }
  return new Int32Array(encodeF16(values).buffer);
}
