import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { DepthwiseConv } from './conv.js';
import { Mlp } from './mlp.js';
import { LayerNorm } from './norm.js';
import type { LayerSource } from './source.js';

const EPSILON = 1e-6;

/** Sizes of a `MixingBlock`. */
export interface MixingShape {
  channels: number;
  /** Side of the depth-wise kernel. */
  kernel: number;
  /** Channels between the two linear layers. */
  hidden: number;
}

/**
 * Mixes what lies beside each other, `x + lin2(gelu(lin1(norm(dwconv(x)))))` (Liu et al., "A ConvNet for the 2020s", CVPR 2022). Keys:
 * `dwconv`, `norm`, `lin1`, `lin2`.
 */
export class MixingBlock {
  private constructor(
    private readonly dwconv: DepthwiseConv,
    private readonly norm: LayerNorm,
    private readonly mlp: Mlp,
  ) {}

  static async load(source: LayerSource, key: string, { channels, kernel, hidden }: MixingShape): Promise<MixingBlock> {
    return new MixingBlock(
      await DepthwiseConv.load(source, `${key}.dwconv`, channels, kernel, { padding: Math.floor(kernel / 2) }),
      await LayerNorm.load(source, `${key}.norm`, channels, EPSILON),
      await Mlp.load(source, [`${key}.lin1`, `${key}.lin2`], channels, hidden, 'gelu'),
    );
  }

  /**
   * @param x float32 [H, W, C].
   * @returns the same.
   */
  forward(x: Tensor): Tensor {
    const rows = (map: Tensor) => reshape(map, [-1, x.shape[2]!]);
    return tidy(() => {
      const normal = this.norm.forward(this.dwconv.forward(x));
      return reshape(this.mlp.forward(rows(normal), rows(x)), x.shape);
    });
  }
}
