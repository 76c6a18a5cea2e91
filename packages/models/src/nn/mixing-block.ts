import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadDepthwise, loadLinear } from './parameters.js';

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
    private readonly ops: OpSet,
    private readonly depthwise: Linear,
    private readonly norm: Affine,
    private readonly lin1: Linear,
    private readonly lin2: Linear,
  ) {}

  static async load(
    weights: WeightReader,
    key: string,
    ops: OpSet,
    { channels, kernel, hidden }: MixingShape,
  ): Promise<MixingBlock> {
    const weight = await loadDepthwise(weights, `${key}.dwconv`, channels, kernel);
    const bias = weights.own(tensor(await weights.take(`${key}.dwconv.bias`, [channels])));
    return new MixingBlock(
      ops,
      { weight, bias },
      await loadAffine(weights, [`${key}.norm`], channels),
      await loadLinear(weights, `${key}.lin1`, channels, hidden),
      await loadLinear(weights, `${key}.lin2`, hidden, channels),
    );
  }

  /**
   * @param x float32 [H, W, C].
   * @returns the same.
   */
  forward(x: Tensor): Tensor {
    const { ops, depthwise, norm, lin1, lin2 } = this;
    const [, , channels] = x.shape as [number, number, number];
    return tidy(() => {
      const padding = Math.floor(depthwise.weight.shape[0]! / 2);
      const mixed = ops.depthwiseConv(x, depthwise.weight, { bias: depthwise.bias, padding });
      const normed = reshape(ops.layerNorm(mixed, norm.weight, norm.bias, { eps: EPSILON }), [-1, channels]);
      const hidden = ops.gemm(normed, lin1.weight, { bias: lin1.bias, activation: 'gelu' });
      const residual = reshape(x, [-1, channels]);
      return reshape(ops.gemm(hidden, lin2.weight, { bias: lin2.bias, residual }), x.shape);
    });
  }
}
