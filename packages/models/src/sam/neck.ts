import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';
import { MAP_NORM_EPS } from './prompt-encoder.js';

/** Two convolutions without biases, each with a normalisation of the channels, from the encoder's tokens to the embedding. */
export class SamNeck {
  private constructor(
    private readonly conv1: Linear,
    private readonly norm1: LayerNorm,
    private readonly conv2: Conv2d,
    private readonly norm2: LayerNorm,
  ) {}

  /** @throws CheckpointError naming the first key that is missing or misshapen. */
  static async load(
    source: LayerSource,
    prefix: string,
    channels: number,
    outputs = EMBEDDING_CHANNELS,
  ): Promise<SamNeck> {
    const norm = (layer: number) => LayerNorm.load(source, `${prefix}neck.${layer}`, outputs, MAP_NORM_EPS);
    return new SamNeck(
      await Linear.load(source, `${prefix}neck.0`, channels, outputs, { pointwise: true, bias: false }),
      await norm(1),
      await Conv2d.load(source, `${prefix}neck.2`, outputs, outputs, 3, { padding: 1, bias: false }),
      await norm(3),
    );
  }

  /**
   * @param tokens float32 [side^2, channels]; disposed.
   * @returns float32 [side, side, outputs].
   */
  forward(tokens: Tensor, side: number): Tensor {
    return tidy(() => {
      const narrow = this.conv1.forward(tokens);
      tokens.dispose();
      const mixed = this.conv2.forward(this.norm1.forward(reshape(narrow, [side, side, -1])));
      return this.norm2.forward(mixed);
    });
  }
}
