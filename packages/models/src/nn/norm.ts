import type { Activation, OpSet } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import type { LayerSource } from './source.js';

/** Reads the scales and shifts of norms, channels side by side. */
async function loadAffine(weights: WeightReader, keys: readonly string[], channels: number) {
  const join = async (part: 'weight' | 'bias') => {
    const out = new Float32Array(keys.length * channels);
    for (const [i, key] of keys.entries()) out.set(await weights.take(`${key}.${part}`, [channels]), i * channels);
    return weights.own(tensor(out));
  };
  return { weight: await join('weight'), bias: await join('bias') };
}

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
    return this.ops.layerNorm(x, this.weight, this.bias, { activation, ...this.options });
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
