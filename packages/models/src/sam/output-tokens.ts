import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';

/** Tokens that stand before those of each prompt, from which a mask decoder reads its answers. */
export class OutputTokens {
  private constructor(
    private readonly channels: number,
    /** Flat [tokens, channels]; they also tell one training from another. */
    readonly values: Float32Array,
  ) {}

  /** @param names Of the embeddings below `key`, and how many tokens each has. */
  static async load(
    weights: WeightReader,
    key: string,
    names: readonly (readonly [name: string, count: number])[],
    channels: number,
  ): Promise<OutputTokens> {
    const values = new Float32Array(names.reduce((sum, [, count]) => sum + count, 0) * channels);
    let offset = 0;
    for (const [name, count] of names) {
      values.set(await weights.take(`${key}.${name}.weight`, [count, channels]), offset);
      offset += count * channels;
    }
    return new OutputTokens(channels, values);
  }

  /**
   * The tokens of a batch of prompts, float32 [P * T, channels].
   * @param sparse Embedded points and boxes of each prompt, flat [tokens, channels], equally many.
   */
  before(sparse: readonly Float32Array[]): Tensor {
    const own = this.values.length;
    const stride = own + sparse[0]!.length;
    const out = new Float32Array(sparse.length * stride);
    for (const [i, tokens] of sparse.entries()) {
      out.set(this.values, i * stride);
      out.set(tokens, i * stride + own);
    }
    return tensor(out, [out.length / this.channels, this.channels]);
  }
}
