import type { Tensor } from '@tensorflow/tfjs-core';
import type { Signature } from '../../op/signature.js';
import { type BenchRequest, benchOf, type CaseTensor, type OpCase, randomTensor } from '../case.js';
import { multiHeadAttention } from './index.js';
import { type AttentionReferenceOptions, multiHeadAttentionReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { multiHeadAttention: Signature<typeof multiHeadAttention> };

/** Blocks of a vision transformer. */
const VISION = { headSize: 64, packed: true };

interface AttentionCase {
  queries: number;
  keys: number;
  heads: number;
  headSize: number;
  /** Batches of query, and of key and value; 0 for operands without that axis. */
  batch?: readonly [query: number, key: number];
  /** `rows`: [queries, keys], with masked entries, a row of them alone; `row`: one row for all. */
  mask?: 'rows' | 'row';
  /** Query, key and value are columns of one tensor. */
  packed?: boolean;
  /** Queries and keys are a grid with relative positions; [height, width]. */
  grid?: readonly [height: number, width: number];
  /** Multiplies the operands: how sharp the attention is. */
  sharpness?: number;
  scale?: number;
  bench?: BenchRequest;
}

function attentionCase(c: AttentionCase): OpCase<Ops> {
  const { queries, keys, heads, headSize, packed, grid, sharpness = 2, batch = [0, 0], bench } = c;
  const channels = heads * headSize;
  const shape = (count: number, rows: number) => (count > 0 ? [count, rows, channels] : [rows, channels]);
  // A query that may look nowhere looks everywhere alike.
  const blind = (query: number) => c.mask === 'rows' && queries > 2 && query === 1;
  const masked = (i: number) => i % 3 === 1 || blind(Math.floor(i / keys));
  const mask =
    c.mask && randomTensor([c.mask === 'row' ? 1 : queries, keys], 4, 1, (value, i) => (masked(i) ? -3e38 : value));
  const inputs = {
    ...(packed
      ? { query: randomTensor([queries, 3 * channels + 4], 1, sharpness) }
      : {
          query: randomTensor(shape(batch[0], queries), 1, sharpness),
          key: randomTensor(shape(batch[1], keys), 2, sharpness),
          value: randomTensor(shape(batch[1], keys), 3),
        }),
    ...(mask ? { mask } : {}),
    ...(grid
      ? {
          rows: randomTensor([2 * grid[0] - 1, headSize], 5),
          columns: randomTensor([2 * grid[1] - 1, headSize], 6),
        }
      : {}),
  };
  const columns = packed
    ? { channels, queryColumn: 0, keyColumn: channels, valueColumn: 2 * channels + 4 }
    : { channels };
  const options = { heads, scale: c.scale, ...columns };
  const relative = ({ rows, columns }: Record<string, Tensor>) =>
    grid && { height: grid[0], width: grid[1], rows: rows!, columns: columns! };
  return {
    op: 'multi-head-attention',
    name: [
      `${batch[0] || ''}${batch[0] ? ' x ' : ''}${queries} queries`,
      `${batch[1] || ''}${batch[1] ? ' x ' : ''}${keys} keys, ${heads} heads of ${headSize}`,
      c.mask && `mask of ${c.mask}`,
      packed && 'packed',
      grid && `grid of ${grid.join(' x ')}`,
    ]
      .filter(Boolean)
      .join(', '),
    inputs,
    variants: (adapter) => {
      const present = { mask: mask !== undefined, relative: grid !== undefined };
      return multiHeadAttention.supported({ batch: 1, heads, queries, keys, headSize, ...present }, adapter);
    },
    build: (ops, { query, key = query, value = query, mask, ...tables }) =>
      ops.multiHeadAttention(query!, key!, value!, { ...options, mask, relative: relative(tables) }),
    reference: ({ query, key = query, value = query, mask, rows, columns }) => [
      multiHeadAttentionReference(query!, key!, value!, {
        ...options,
        mask,
        bias: grid && bias(grid, headSize, rows!, columns!),
      }),
    ],
    ...benchOf(bench, {
      size: `${queries}x${grid ? '' : `${keys}x`}${heads}x${headSize}`,
      flops: 4 * queries * channels * (Math.max(1, ...batch) * keys + (grid ? (grid[0] + grid[1]) / 2 : 0)),
      ...(grid && {
        bytes: 4 * (4 * queries * channels + (2 * (grid[0] + grid[1]) - 2) * headSize),
        weights: ['rows', 'columns'],
      }),
    }),
  };
}

/** Relative terms from their definition. */
function bias(
  [height, width]: readonly [number, number],
  headSize: number,
  rows: CaseTensor,
  columns: CaseTensor,
): AttentionReferenceOptions['bias'] {
  return (query, i, j) => {
    const dy = Math.floor(i / width) - Math.floor(j / width) + height - 1;
    const dx = (i % width) - (j % width) + width - 1;
    let sum = 0;
    for (let d = 0; d < headSize; d++)
      sum += query(d) * (rows.values[dy * headSize + d]! + columns.values[dx * headSize + d]!);
    return sum;
  };
}

/** Queries and keys below, at and above a tile, and several; every head size; masks; batches that are shared. */
export const cases: OpCase<Ops>[] = [
  attentionCase({ queries: 1, keys: 1, heads: 1, headSize: 4 }),
  attentionCase({ queries: 5, keys: 3, heads: 8, headSize: 16, batch: [3, 3] }),
  attentionCase({ queries: 32, keys: 32, heads: 2, headSize: 32, packed: true }),
  attentionCase({ queries: 33, keys: 131, heads: 3, headSize: 64, sharpness: 6 }),
  attentionCase({ queries: 67, keys: 35, heads: 2, headSize: 80, mask: 'rows' }),
  attentionCase({ queries: 100, keys: 97, heads: 2, headSize: 32, mask: 'row', scale: 1 }),
  attentionCase({ queries: 65, keys: 7, heads: 8, headSize: 16, batch: [1, 3] }),
  attentionCase({ queries: 7, keys: 200, heads: 8, headSize: 16, batch: [3, 1] }),
  attentionCase({ queries: 131, keys: 11, heads: 2, headSize: 16, batch: [2, 2], sharpness: 6 }),
  attentionCase({ queries: 6, keys: 9, heads: 1, headSize: 12, batch: [2, 0], mask: 'rows' }),
  attentionCase({ queries: 35, keys: 35, grid: [5, 7], heads: 2, headSize: 32, packed: true }),
  attentionCase({ queries: 130, keys: 130, grid: [2, 65], heads: 1, headSize: 64 }),
  attentionCase({ queries: 99, keys: 99, grid: [33, 3], heads: 2, headSize: 16, batch: [2, 1] }),
  attentionCase({ ...VISION, queries: 1024, keys: 1024, grid: [32, 32], heads: 12, bench: { run: 'quick' } }),
  attentionCase({ ...VISION, queries: 4096, keys: 4096, grid: [64, 64], heads: 12, bench: true }),
  attentionCase({ ...VISION, queries: 256, keys: 256, grid: [16, 16], heads: 4, bench: { run: 'small' } }),
  attentionCase({ queries: 900, keys: 900, heads: 8, headSize: 32, bench: true }),
  attentionCase({ queries: 4096, keys: 7, heads: 8, headSize: 16, batch: [1, 4], bench: true }),
  attentionCase({ queries: 7, keys: 4096, heads: 8, headSize: 16, batch: [4, 1], bench: true }),
];
