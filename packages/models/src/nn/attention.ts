import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Linear } from './linear.js';
import { transposeLinear } from './parameters.js';
import type { LayerSource } from './source.js';

/** Rows `first` to `first + count` of the packed `query | key | value` projection of PyTorch's `MultiheadAttention`. */
async function loadPacked(
  source: LayerSource,
  key: string,
  channels: number,
  [first, count]: readonly [first: number, count: number],
): Promise<Linear> {
  const weight = await source.weights.take(`${key}.in_proj_weight`, [3 * channels, channels]);
  const bias = await source.weights.take(`${key}.in_proj_bias`, [3 * channels]);
  return Linear.of(source, transposeLinear(weight, channels, first, count), bias.slice(first, first + count));
}

/** Self-attention of tokens, `proj(softmax(Q K^T + mask) V) + residual`, with the three projections as one. */
export class Attention {
  constructor(
    private readonly ops: OpSet,
    private readonly heads: number,
    /** To `query | key | value`, [C, 3 C]. */
    private readonly qkv: Linear,
    private readonly proj: Linear,
  ) {}

  /** @param x float32 [T, C]. @param mask Added to the logits, float32 [T, T]. */
  forward(x: Tensor, { mask, residual }: { mask?: Tensor; residual?: Tensor }): Tensor {
    const { ops, heads, qkv, proj } = this;
    return tidy(() => {
      const joint = qkv.forward(x);
      const channels = x.shape[1]!;
      const columns = { channels, keyColumn: channels, valueColumn: 2 * channels };
      return proj.forward(ops.multiHeadAttention(joint, joint, joint, { heads, mask, ...columns }), { residual });
    });
  }
}

/** What the attentions of DETR are given: positions are part of queries and keys, not of values. */
interface PositionedOperands {
  /** Residual and, in self-attention, values: float32 [T, C]. */
  x: Tensor;
  /** `x` with positions. */
  positioned: Tensor;
  /** Added to the logits. */
  mask?: Tensor;
}

/** Self-attention plus residual, whose queries and keys carry positions and whose values do not. */
export class PositionedSelfAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly heads: number,
    private readonly queryKey: Linear,
    private readonly value: Linear,
    private readonly outProj: Linear,
  ) {}

  static async load(source: LayerSource, key: string, channels: number, heads: number) {
    return new PositionedSelfAttention(
      source.ops,
      heads,
      await loadPacked(source, key, channels, [0, 2 * channels]),
      await loadPacked(source, key, channels, [2 * channels, channels]),
      await Linear.load(source, `${key}.out_proj`, channels, channels),
    );
  }

  forward({ x, positioned, mask }: PositionedOperands): Tensor {
    const { ops, heads } = this;
    return tidy(() => {
      const queryKey = this.queryKey.forward(positioned);
      const channels = x.shape[1]!;
      const options = { heads, channels, keyColumn: channels, mask };
      const mixed = ops.multiHeadAttention(queryKey, queryKey, this.value.forward(x), options);
      return this.outProj.forward(mixed, { residual: x });
    });
  }
}

/** Attention to tokens of another kind, plus residual. */
export class PositionedCrossAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly heads: number,
    private readonly query: Linear,
    private readonly keyValue: Linear,
    private readonly outProj: Linear,
  ) {}

  static async load(source: LayerSource, key: string, channels: number, heads: number) {
    return new PositionedCrossAttention(
      source.ops,
      heads,
      await loadPacked(source, key, channels, [0, channels]),
      await loadPacked(source, key, channels, [channels, 2 * channels]),
      await Linear.load(source, `${key}.out_proj`, channels, channels),
    );
  }

  /** @param memory What is looked at, float32 [L, C]. */
  forward({ x, positioned, memory, mask }: PositionedOperands & { memory: Tensor }): Tensor {
    const { ops, heads } = this;
    return tidy(() => {
      const keyValue = this.keyValue.forward(memory);
      const options = { heads, valueColumn: x.shape[1]!, mask };
      const mixed = ops.multiHeadAttention(this.query.forward(positioned), keyValue, keyValue, options);
      return this.outProj.forward(mixed, { residual: x });
    });
  }
}
