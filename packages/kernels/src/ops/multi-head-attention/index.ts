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
import { fields, float32, number, optional, record, variant } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { ShapeError } from '../../op/shape-error.js';
import { type MatrixView, matrixView } from '../../op/view.js';
import directWgsl from './direct.wgsl';
import { launchKeysInRegisters, launchSplitKeys, PLAIN_KERNELS } from './plain.js';
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
export interface MultiHeadAttentionOptions {
  heads: number;
  /** Factor of the dot products; 1 / sqrt(head size) by default. */
  scale?: number;
  /** Added to the scaled products, float32 [Tq, Tk], or [1, Tk] for all queries alike. Masked is any value below -1e30, or that. */
  mask?: Tensor;
  relative?: RelativePosition;
  /** Columns of each operand, heads * head size. The whole width of `query` by default. */
  channels?: number;
  /** First columns, where an operand is a part of a wider tensor such as a packed `query | key | value`. 0 by default. */
  queryColumn?: number;
  keyColumn?: number;
  valueColumn?: number;
  /** Forces a kernel; for tests and benchmarks. */
  variant?: MultiHeadAttentionVariant;
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
  { heads, mask, relative, ...options }: MultiHeadAttentionOptions,
): AttentionShape {
  const operands = { query, key, value };
  const expect = (holds: boolean, expected: string) => {
    if (!holds) throw new ShapeError('multi-head-attention', expected, mask ? { ...operands, mask } : operands);
  };
  for (const { rank } of [query, key, value]) expect(rank === 2 || rank === 3, 'operands of [T, C] or [batch, T, C]');
  const channels = options.channels ?? query.shape.at(-1)!;
  const headSize = channels / heads;
  expect(
    heads > 0 && headSize > 0 && headSize % 4 === 0,
    `${channels} channels to be ${heads} heads of a multiple of 4`,
  );
  const { queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
  for (const [tensor, column] of [
    [query, queryColumn],
    [key, keyColumn],
    [value, valueColumn],
  ] as const) {
    const width = tensor.shape.at(-1)!;
    expect(
      column >= 0 && column % 4 === 0 && width % 4 === 0 && column + channels <= width,
      `columns ${column} to ${column + channels}, rows and first columns a multiple of 4,`,
    );
  }
  const batches = [query, key, value].map((t) => (t.rank === 3 ? t.shape[0]! : 1));
  const batch = Math.max(...batches);
  expect(
    batches.every((b) => b === batch || b === 1),
    'batches that are equal or 1',
  );
  const [queries, keys] = [query.shape.at(-2)!, key.shape.at(-2)!];
  expect(queries > 0 && keys > 0 && value.shape.at(-2) === keys, 'a query at least, and as many values as keys');
  if (mask) {
    expect(
      mask.rank === 2 && [1, queries].includes(mask.shape[0]!) && mask.shape[1] === keys,
      `a mask of [${queries} or 1, ${keys}]`,
    );
  }
  if (relative) {
    const { height, width, rows, columns } = relative;
    expect(queries === height * width && keys === queries, `${height} x ${width} queries and keys`);
    if (rows.size !== (2 * height - 1) * headSize || columns.size !== (2 * width - 1) * headSize) {
      throw new ShapeError('multi-head-attention', `tables of ${2 * height - 1} and ${2 * width - 1} x ${headSize}`, {
        rows,
        columns,
      });
    }
    expect(query.rank === 2 || query.shape[0] === batch, 'a query for each batch');
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
    const present = { mask: mask !== undefined, relative: relative !== undefined };
    const variant = call.choose({ batch, heads, queries, keys, headSize, ...present });
    const tensors = { query, key, value };
    const geometry = operandUniforms(
      matrixView(query, queryColumn),
      matrixView(key, keyColumn),
      matrixView(value, valueColumn),
    );
    if (variant === 'keys-in-registers' || variant === 'split-keys') {
      const attention = { tensors, out, batch, heads, headSize, queries, keys, scale, geometry };
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
      scale,
      gridHeight,
      gridWidth,
      relative: terms,
      broadcastQueries: broadcastQueries(queries, keys),
      tensors: { ...tensors, mask, out },
      uniforms: { queries, ...geometry, maskStride: mask && mask.shape[0]! > 1 ? keys : 0 },
      workgroups: (rows) => [Math.ceil(queries / rows), heads, batch],
    };
    if (variant === 'broadcast') launchBroadcast(runtime, broadcast, attention);
    else if (variant === 'tiled') launchTiled(runtime, tiled, attention);
    else launchWorkgroups(runtime, direct, attention, { HEAD4: headSize / 4 });
    terms?.tensor.dispose();
    return out;
  },
});

/** Where the kernels find the rows of the operands, counted in vectors of 4. */
function operandUniforms(query: MatrixView, key: MatrixView, value: MatrixView): Readonly<Record<string, number>> {
  return {
    queryStride4: query.rowStride / 4,
    keyStride4: key.rowStride / 4,
    valueStride4: value.rowStride / 4,
    queryOffset4: query.offset / 4,
    keyOffset4: key.offset / 4,
    valueOffset4: value.offset / 4,
    queryBatch4: query.batchStride / 4,
    keyBatch4: key.batchStride / 4,
    valueBatch4: value.batchStride / 4,
  };
}
