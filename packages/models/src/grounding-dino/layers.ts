import type { OpSet } from '@samtrack/kernels';
import { dispose, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadLinear, transposeLinear } from '../nn/parameters.js';
import { HIDDEN } from './config.js';

/** Frees the tensors of layers and norms. */
export function disposeParameters(...groups: readonly Readonly<Record<string, Linear | Affine>>[]): void {
  for (const layer of groups.flatMap((group) => Object.values(group))) dispose({ ...layer });
}

/** Rows `first` to `first + count` of the packed `query | key | value` projection of PyTorch's multi-head attention. */
async function loadPackedPart(weights: WeightReader, key: string, first: number, count: number): Promise<Linear> {
  const weight = await weights.take(`${key}.in_proj_weight`, [3 * HIDDEN, HIDDEN]);
  const bias = await weights.take(`${key}.in_proj_bias`, [3 * HIDDEN]);
  return {
    weight: weights.own(tensor(transposeLinear(weight, HIDDEN, first, count), [HIDDEN, count])),
    bias: weights.own(tensor(bias.slice(first, first + count))),
  };
}

/** Projections of a self-attention whose queries and keys carry positions and whose values do not. */
export async function loadSelfAttention(
  weights: WeightReader,
  key: string,
): Promise<Record<SelfAttentionPart, Linear>> {
  return {
    queryKey: await loadPackedPart(weights, key, 0, 2 * HIDDEN),
    value: await loadPackedPart(weights, key, 2 * HIDDEN, HIDDEN),
    out: await loadLinear(weights, `${key}.out_proj`, HIDDEN, HIDDEN),
  };
}
type SelfAttentionPart = 'queryKey' | 'value' | 'out';

/** Self-attention plus residual: queries and keys from `x + positions`, values from `x`; float32 [T, 256]. */
export function selfAttention(
  ops: OpSet,
  p: Record<SelfAttentionPart, Linear>,
  operands: { x: Tensor; positioned: Tensor; heads: number; mask?: Tensor },
): Tensor {
  const { x, positioned, heads, mask } = operands;
  return tidy(() => {
    const queryKey = ops.gemm(positioned, p.queryKey.weight, { bias: p.queryKey.bias });
    const value = ops.gemm(x, p.value.weight, { bias: p.value.bias });
    const mixed = ops.multiHeadAttention(queryKey, queryKey, value, {
      heads,
      channels: HIDDEN,
      keyColumn: HIDDEN,
      mask,
    });
    return ops.gemm(mixed, p.out.weight, { bias: p.out.bias, residual: x });
  });
}

/** Projections of an attention to tokens of another kind. */
export async function loadCrossAttention(
  weights: WeightReader,
  key: string,
): Promise<Record<CrossAttentionPart, Linear>> {
  return {
    query: await loadPackedPart(weights, key, 0, HIDDEN),
    keyValue: await loadPackedPart(weights, key, HIDDEN, 2 * HIDDEN),
    out: await loadLinear(weights, `${key}.out_proj`, HIDDEN, HIDDEN),
  };
}
type CrossAttentionPart = 'query' | 'keyValue' | 'out';

/** Attention of `positioned` to `memory` plus the residual `x`, float32 [T, 256]. */
export function crossAttention(
  ops: OpSet,
  p: Record<CrossAttentionPart, Linear>,
  operands: { x: Tensor; positioned: Tensor; memory: Tensor; heads: number; mask?: Tensor },
): Tensor {
  const { x, positioned, memory, heads, mask } = operands;
  return tidy(() => {
    const query = ops.gemm(positioned, p.query.weight, { bias: p.query.bias });
    const keyValue = ops.gemm(memory, p.keyValue.weight, { bias: p.keyValue.bias });
    const mixed = ops.multiHeadAttention(query, keyValue, keyValue, { heads, valueColumn: HIDDEN, mask });
    return ops.gemm(mixed, p.out.weight, { bias: p.out.bias, residual: x });
  });
}

/** Two linear layers with a ReLU between them, and the norm that follows their sum with the residual. */
export async function loadFeedForward(
  weights: WeightReader,
  key: string,
  hidden: number,
  norm: string,
): Promise<FeedForward> {
  return {
    linear1: await loadLinear(weights, `${key}.linear1`, HIDDEN, hidden),
    linear2: await loadLinear(weights, `${key}.linear2`, hidden, HIDDEN),
    norm: await loadAffine(weights, [`${key}.${norm}`], HIDDEN),
  };
}
type FeedForward = { linear1: Linear; linear2: Linear; norm: Affine };

/** `norm(x + linear2(relu(linear1(x))))`, float32 [T, 256]. */
export function feedForward(ops: OpSet, { linear1, linear2, norm }: FeedForward, x: Tensor): Tensor {
  return tidy(() => {
    const sum = ops.feedForward(x, linear1, linear2, { activation: 'relu', residual: x });
    return ops.layerNorm(sum, norm.weight, norm.bias);
  });
}

/** Reads a perceptron `key.layers.0`, `key.layers.1`, ... with these widths. */
export async function loadPerceptron(weights: WeightReader, key: string, widths: readonly number[]): Promise<Linear[]> {
  const layers: Linear[] = [];
  for (let i = 0; i + 1 < widths.length; i++) {
    layers.push(await loadLinear(weights, `${key}.layers.${i}`, widths[i]!, widths[i + 1]!));
  }
  return layers;
}

/** A perceptron with a ReLU between its layers. */
export function perceptron(ops: OpSet, layers: readonly Linear[], x: Tensor): Tensor {
  return tidy(() =>
    layers.reduce(
      (hidden, { weight, bias }, i) =>
        ops.gemm(hidden, weight, { bias, activation: i + 1 < layers.length ? 'relu' : 'none' }),
      x,
    ),
  );
}
