import type { Activation, OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { loadAffine } from './parameters.js';
import type { LayerSource } from './source.js';

/** Layer normalisation of each token. */
export class LayerNorm {
  private constructor(
    private readonly ops: OpSet,
    private readonly weight: Tensor,
    private readonly bias: Tensor,
    private readonly options: { groups: number; eps?: number },
  ) {}

  /** @param keys That of the normalisation, or those of several that are done at once, their channels side by side. */
  static async load(
    { weights, ops }: LayerSource,
    keys: string | readonly string[],
    channels: number,
    eps?: number,
  ): Promise<LayerNorm> {
    const all = [keys].flat();
    const { weight, bias } = await loadAffine(weights, all, channels);
    return new LayerNorm(ops, weight, bias, { groups: all.length, ...(eps !== undefined && { eps }) });
  }

  /** @param x float32 [..., channels]. */
  forward(x: Tensor, activation?: Activation): Tensor {
    return this.ops.layerNorm(x, this.weight, this.bias, { ...this.options, activation });
  }
}

/** Group normalisation of an image or of all tokens. */
export class GroupNorm {
  private constructor(
    private readonly ops: OpSet,
    private readonly weight: Tensor,
    private readonly bias: Tensor,
    private readonly groups: number,
  ) {}

  static async load({ weights, ops }: LayerSource, key: string, channels: number, groups: number): Promise<GroupNorm> {
    const { weight, bias } = await loadAffine(weights, [key], channels);
    return new GroupNorm(ops, weight, bias, groups);
  }

  /** @param x float32 [..., channels]. */
  forward(x: Tensor, activation?: Activation): Tensor {
    return this.ops.groupNorm(x, this.weight, this.bias, this.groups, activation && { activation });
  }
}
