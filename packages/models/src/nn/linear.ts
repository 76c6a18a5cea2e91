import type { GemmOptions, OpSet } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type LinearOptions, loadLinear, transposeLinear } from './parameters.js';
import type { LayerSource } from './source.js';

/** What may follow a linear layer, and which columns of its input it reads. */
export type LinearForwardOptions = Pick<GemmOptions, 'activation' | 'gate' | 'residual' | 'aColumns'>;

/** A linear layer, `x W + b`. */
export class Linear {
  constructor(
    private readonly ops: OpSet,
    /** float32 [in, out], or int32 [in, out / 2] with pairs of float16. */
    readonly weight: Tensor,
    /** float32 [out]. */
    readonly bias: Tensor,
  ) {}

  /** Reads `key.weight` and `key.bias`. */
  static async load(
    { weights, ops }: LayerSource,
    key: string,
    inputs: number,
    outputs: number,
    options?: LinearOptions,
  ): Promise<Linear> {
    const { weight, bias } = await loadLinear(weights, key, inputs, outputs, options);
    return new Linear(ops, weight, bias);
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
