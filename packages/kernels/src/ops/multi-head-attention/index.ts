import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import {
  type GridAttention,
  gridKernels,
  launchBroadcast,
  launchTiled,
  launchWorkgroups,
  OPERANDS,
  RELATIVE_KERNELS,
  relativeTerms,
} from '../../families/attention/index.js';
import { fields, float32, number, optional, record, type VariantOptions, variant } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { ShapeError } from '../../op/shape-error.js';
import directWgsl from './direct.wgsl';
import { launchKeysInRegisters, launchSplitKeys, type OperandUniforms, PLAIN_KERNELS } from './plain.js';
import {
  broadcastQueries,
  type MultiHeadAttentionShape,
  type MultiHeadAttentionVariant,
  selectMultiHeadAttention,
  supportedMultiHeadAttention,
} from './select.js';

export type { MultiHeadAttentionVariant } from './select.js';

/**
 * Relative positions of tokens on a grid, decomposed into rows and columns: `query . rows[y_q - y_k + height - 1] +
 * query . columns[x_q - x_k + width - 1]` is added to the scaled product, with the query not scaled. Li et al., "MViTv2"
 * (2022), eq. 4; `add_decomposed_rel_pos` of segment-anything.
 */
export interface RelativePosition {
  /** Size of the grid; Tq and Tk are height * width. */
  height: number;
  width: number;
  /** float32 [2 height - 1, head size], shared by the heads. */
  rows: Tensor;
  /** float32 [2 width - 1, head size]. */
  columns: Tensor;
}

/** Options of `multiHeadAttention`. */
export interface MultiHeadAttentionOptions extends VariantOptions<MultiHeadAttentionVariant> {
  heads: number;
  /** Factor of the dot products; 1 / sqrt(head size) by default. */
  scale?: number | undefined;
  /** Added to the scaled products, float32 [Tq, Tk], or [1, Tk] for all queries alike. Masked is any value below -1e30, or that. */
  mask?: Tensor | undefined;
  relative?: RelativePosition | undefined;
  /** Columns of each operand, heads * head size. The whole width of `query` by default. */
  channels?: number | undefined;
  /** First columns, where an operand is a part of a wider tensor such as a packed `query | key | value`. 0 by default. */
  queryColumn?: number | undefined;
  keyColumn?: number | undefined;
  valueColumn?: number | undefined;
}

/** Operands with everything resolved. */
export interface AttentionShape {
  batch: number;
  queries: number;
  keys: number;
  channels: number;
  headSize: number;
}

/**
 * Checks the operands of `multiHeadAttention`.
 * @throws ShapeError when they do not fit.
 */
export function attentionShape(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: MultiHeadAttentionOptions,
): AttentionShape {
  const { heads, mask, relative } = options;
  const wrong = (expected: string) => new ShapeError('multi-head-attention', expected, { query, key, value, mask });
  const operands = [query, key, value];
  if (operands.some(({ rank }) => rank !== 2 && rank !== 3)) throw wrong('operands of [T, C] or [batch, T, C]');
  const channels = options.channels ?? query.shape.at(-1)!;
  const headSize = channels / heads;
  if (!(heads > 0 && headSize > 0 && headSize % 4 === 0)) {
    throw wrong(`${channels} channels to be ${heads} heads of a multiple of 4`);
  }
  const { queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
  const columns = [queryColumn, keyColumn, valueColumn];
  for (let i = 0; i < operands.length; i++) {
    const [width, column] = [operands[i]!.shape.at(-1)!, columns[i]!];
    if (!(column >= 0 && column % 4 === 0 && width % 4 === 0 && column + channels <= width)) {
      throw wrong(`columns ${column} to ${column + channels}, rows and first columns a multiple of 4,`);
    }
  }
  const batches = operands.map(({ rank, shape }) => (rank === 3 ? shape[0]! : 1));
  const batch = Math.max(...batches);
  if (batches.some((b) => b !== batch && b !== 1)) throw wrong('batches that are equal or 1');
  const [queries, keys] = [query.shape.at(-2)!, key.shape.at(-2)!];
  if (queries === 0 || keys === 0 || value.shape.at(-2) !== keys) {
    throw wrong('a query at least, and as many values as keys');
  }
  if (mask && (mask.rank !== 2 || ![1, queries].includes(mask.shape[0]!) || mask.shape[1] !== keys)) {
    throw wrong(`a mask of [${queries} or 1, ${keys}]`);
  }
  if (relative) {
    const { height, width, rows, columns } = relative;
    if (queries !== height * width || keys !== queries) throw wrong(`${height} x ${width} queries and keys`);
    if (rows.size !== (2 * height - 1) * headSize || columns.size !== (2 * width - 1) * headSize) {
      const expected = `tables of ${2 * height - 1} and ${2 * width - 1} x ${headSize}`;
      throw new ShapeError('multi-head-attention', expected, { rows, columns });
    }
    if (query.rank === 3 && query.shape[0] !== batch) throw wrong('a query for each batch');
  }
  return { batch, queries, keys, channels, headSize };
}

const { broadcast, tiled } = gridKernels('multi-head-attention', false);
const direct = defineKernel({
  name: 'multi-head-attention/direct',
  template: directWgsl,
  includes: OPERANDS,
  optional: ['mask', 'relative'],
});

/**
 * Multi-head attention, `softmax(scale Q K^T + mask) V` for each head. Vaswani et al., "Attention Is All You Need" (2017),
 * with the running softmax of Milakov and Gimelshein (2018), as in FlashAttention (Dao et al., 2022): nothing of size
 * queries x keys is ever stored.
 *
 * @param query float32 [Tq, *] or [batch, Tq, *]; its channels are the heads side by side. The head size is a multiple of 4.
 * @param key float32 [Tk, *] or [batch, Tk, *].
 * @param value float32 [Tk, *] or [batch, Tk, *]. An operand without a batch, or with a batch of 1, serves every batch of the others.
 * @returns float32 [Tq, C], or [batch, Tq, C] when an operand has a batch.
 * @throws ShapeError when the operands do not fit.
 */
export const multiHeadAttention = defineOp({
  name: 'multi-head-attention',
  takes: {
    query: float32,
    key: float32,
    value: float32,
    options: fields<MultiHeadAttentionOptions>({
      heads: number,
      scale: optional(number),
      mask: optional(float32),
      relative: optional(record<RelativePosition>({ height: number, width: number, rows: float32, columns: float32 })),
      channels: optional(number),
      queryColumn: optional(number),
      keyColumn: optional(number),
      valueColumn: optional(number),
      variant,
    }),
  },
  kernels: [broadcast, tiled, direct, ...PLAIN_KERNELS, ...RELATIVE_KERNELS],
  supported: (shape: MultiHeadAttentionShape, adapter): readonly MultiHeadAttentionVariant[] =>
    supportedMultiHeadAttention(shape, adapter),
  select: selectMultiHeadAttention,
  work: ({ batch, heads, queries, keys, headSize }) => ({
    flops: 4 * batch * heads * queries * keys * headSize,
    bytes: 8 * batch * heads * (queries + keys) * headSize,
  }),
  run(call, query: Tensor, key: Tensor, value: Tensor, options: MultiHeadAttentionOptions): Tensor {
    const { heads, mask, relative, queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
    const { runtime } = call;
    const { batch, queries, keys, channels, headSize } = attentionShape(query, key, value, options);
    const { scale = 1 / Math.sqrt(headSize) } = options;
    const batched = [query, key, value].some(({ rank }) => rank === 3);
    const out = call.allocate(batched ? [batch, queries, channels] : [queries, channels]);
    const [masked, placed] = [mask !== undefined, relative !== undefined];
    const variant = call.choose({ batch, heads, queries, keys, headSize, mask: masked, relative: placed });
    const uniforms: OperandUniforms = {
      scale,
      queries,
      queryStride4: query.shape.at(-1)! / 4,
      keyStride4: key.shape.at(-1)! / 4,
      valueStride4: value.shape.at(-1)! / 4,
      queryOffset4: queryColumn / 4,
      keyOffset4: keyColumn / 4,
      valueOffset4: valueColumn / 4,
      queryBatch4: batchStride(query) / 4,
      keyBatch4: batchStride(key) / 4,
      valueBatch4: batchStride(value) / 4,
    };
    if (variant === 'keys-in-registers' || variant === 'split-keys') {
      const attention = { tensors: { query, key, value }, out, batch, heads, headSize, queries, keys, uniforms };
      (variant === 'split-keys' ? launchSplitKeys : launchKeysInRegisters)(runtime, attention);
      return out;
    }
    const [gridHeight, gridWidth] = relative ? [relative.height, relative.width] : [1, keys];
    const sides = [gridHeight, gridWidth] as const;
    const shuffles = variant === 'broadcast';
    const terms =
      relative &&
      relativeTerms(runtime, { ...relative, query, queryColumn, heads, headSize, sides, broadcast: shuffles });
    const attention: GridAttention = {
      headSize,
      gridWidth,
      relative: terms,
      broadcastQueries: broadcastQueries(queries, keys),
      tensors: { query, key, value, mask, out },
      uniforms: { gridHeight, gridWidth, maskStride: mask && mask.shape[0]! > 1 ? keys : 0, ...uniforms },
      workgroups: (rows) => [Math.ceil(queries / rows), heads, batch],
    };
    if (variant === 'broadcast') launchBroadcast(runtime, broadcast, attention);
    else if (variant === 'tiled') launchTiled(runtime, tiled, attention);
    else launchWorkgroups(runtime, direct, attention, { HEAD4: headSize / 4 });
    terms?.tensor.dispose();
    return out;
  },
});

/** Numbers from one matrix of an operand to the next; 0 where one serves every batch. */
const batchStride = ({ rank, shape: [batch, rows, columns] }: Tensor): number =>
  rank === 3 && batch! > 1 ? rows! * columns! : 0;
