import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32, type Program } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { ShapeError } from '../shape-error.js';
import directWgsl from './direct.wgsl';
import { launchFewKeys, launchSplit } from './few.js';
import { flashProgram, flashTile } from './flash.js';
import { type AttentionForm, attentionBindings } from './form.js';
import operandsWgsl from './operands.wgsl';
import paramsWgsl from './params.wgsl';
import { relativeTerms } from './relative.js';
import { broadcastQueries, type MultiHeadAttentionVariant } from './select.js';
import { tiledProgram } from './tiled.js';
import { tunedMultiHeadAttention } from './tuning.js';

export {
  type MultiHeadAttentionVariant,
  selectMultiHeadAttention,
  supportedMultiHeadAttentionVariants,
} from './select.js';

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
    if (!holds) throw new ShapeError('multiHeadAttention', expected, mask ? { ...operands, mask } : operands);
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
      throw new ShapeError('multiHeadAttention', `tables of ${2 * height - 1} and ${2 * width - 1} x ${headSize}`, {
        rows,
        columns,
      });
    }
    expect(query.rank === 2 || query.shape[0] === batch, 'a query for each batch');
  }
  return { batch, queries, keys, channels, headSize };
}

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
export function multiHeadAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: MultiHeadAttentionOptions,
): Tensor {
  const { heads, mask, relative, queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
  const runtime = getRuntime();
  const { batch, queries, keys, channels, headSize } = attentionShape(query, key, value, options);
  const batched = [query, key, value].some(({ rank }) => rank === 3);
  const out = runtime.allocate(batched ? [batch, queries, channels] : [queries, channels]);
  const size = { batch, heads, queries, keys, headSize, mask: mask !== undefined, relative: relative !== undefined };
  const variant =
    options.variant ??
    runtime.chooser.choose(tunedMultiHeadAttention, size, multiHeadAttention, [query, key, value, options]);
  const subgroup = variant === 'broadcast' ? runtime.adapterClass.subgroupSize : 0;
  const operands = [query, key, value];
  const stride4 = (t: Tensor) => t.shape.at(-1)! / 4;
  const batch4 = (t: Tensor) => (t.rank === 3 && t.shape[0]! > 1 ? (t.shape[1]! * t.shape[2]!) / 4 : 0);
  const scale = options.scale ?? 1 / Math.sqrt(headSize);
  const geometry = [...operands.map(stride4), queryColumn / 4, keyColumn / 4, valueColumn / 4, ...operands.map(batch4)];
  if (variant === 'few-keys' || variant === 'split') {
    const attention = { operands, out, batch, heads, headSize, queries, keys, scale, geometry };
    (variant === 'split' ? launchSplit : launchFewKeys)(runtime, attention);
    return out;
  }
  const terms =
    relative &&
    relativeTerms({
      ...relative,
      query,
      queryColumn,
      heads,
      headSize,
      sides: [relative.height, relative.width],
      subgroupSize: subgroup,
    });
  const [gridHeight, gridWidth] = relative ? [relative.height, relative.width] : [1, keys];
  const form = { headSize, gridWidth, mask: mask !== undefined, relative: relative !== undefined, window: false };
  const rows = broadcastQueries(queries, keys);
  const name = `multi-head-attention/${variant}`;
  const tile = flashTile(gridWidth, subgroup);
  runtime.launch({
    program: subgroup
      ? flashProgram({ name, subgroupSize: subgroup, rows, ...form })
      : variant === 'tiled'
        ? tiledProgram({ name, maxWorkgroupBytes: runtime.adapterClass.maxWorkgroupBytes, ...form })
        : directProgram(name, headSize, form),
    inputs: [...operands, mask, terms?.tensor].filter((tensor) => tensor !== undefined),
    outputs: [out],
    uniforms: [
      ...(subgroup ? [headSize / 4, subgroup] : []),
      f32(scale),
      gridHeight,
      gridWidth,
      ...(terms && !subgroup ? [terms.stride, terms.columns] : []),
      ...(terms && subgroup ? [terms.stride / 4, terms.columns / 4, tile.slotWidth / 4, tile.slotHeight] : []),
      queries,
      ...geometry,
      mask && mask.shape[0]! > 1 ? keys : 0,
    ],
    workgroups: [Math.ceil(queries / (subgroup ? rows : 64)), heads, batch],
  });
  terms?.tensor.dispose();
  return out;
}

/** The program that takes a key at a time. */
function directProgram(name: string, headSize: number, form: AttentionForm): Program {
  const { params, buffers } = attentionBindings(form);
  const includes = { params: paramsWgsl, operands: operandsWgsl };
  return defineProgram({ name, template: directWgsl, includes, params: { HEAD4: headSize / 4, ...params }, buffers });
}
