import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { HIDDEN } from './config.js';

/** Two linear layers with a ReLU between them, their residual, and the norm that follows: `norm(x + linear2(relu(linear1(x))))`. */
export class FeedForward {
  private constructor(
    private readonly mlp: Mlp,
    private readonly norm: LayerNorm,
  ) {}

  static async load(source: LayerSource, key: string, hidden: number, norm: string): Promise<FeedForward> {
    return new FeedForward(
      await Mlp.load(source, [`${key}.linear1`, `${key}.linear2`], HIDDEN, hidden, 'relu'),
      await LayerNorm.load(source, `${key}.${norm}`, HIDDEN),
    );
  }

  /** @param x float32 [T, 256]. */
  forward(x: Tensor): Tensor {
    return tidy(() => this.norm.forward(this.mlp.forward(x, x)));
  }
}
