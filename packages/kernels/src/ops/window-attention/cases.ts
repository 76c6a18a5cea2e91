import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import { type WindowAttentionShape, windowAttention } from './index.js';
import { windowAttentionReference } from './reference.js';
import { type RelativeWindowShape, relativeWindowAttention } from './relative.js';
import { relativeWindowAttentionReference } from './relative-reference.js';

/** What the cases need of a set. */
type Ops = {
  windowAttention: Portable<typeof windowAttention>;
  relativeWindowAttention: Portable<typeof relativeWindowAttention>;
};

interface WindowCase extends WindowAttentionShape {
  headSize: number;
  /** Multiplies queries and keys: how sharp the attention is. */
  scale?: number;
  /** Also runs the stock twin, a dozen operations that a software rasteriser compiles for 10 s. */
  stock?: boolean;
  bench?: BenchRequest;
}

function windowCase({ headSize, scale = 2, bench, stock = bench !== undefined, ...shape }: WindowCase): OpCase<Ops> {
  const { height, width, window, shift, heads } = shape;
  const channels = heads * headSize;
  const tokens = window * window * Math.ceil(height / window) * Math.ceil(width / window);
  return {
    op: 'window-attention',
    name: `${height}x${width}, window ${window} shifted ${shift}, ${heads} heads of ${headSize}`,
    inputs: {
      qkv: randomTensor([height * width, 3 * channels], 1, scale),
      qkvBias: randomTensor([3 * channels], 2),
      biasTable: randomTensor([(2 * window - 1) ** 2, heads], 3),
    },
    variants: (adapter) => windowAttention.supported({ ...shape, headSize }, adapter),
    kernelsOnly: !stock,
    build: (ops, { qkv, qkvBias, biasTable }) => ops.windowAttention(qkv!, qkvBias!, biasTable!, shape),
    reference: ({ qkv, qkvBias, biasTable }) => [
      windowAttentionReference(qkv!.values, qkvBias!.values, biasTable!.values, shape),
    ],
    ...benchOf(bench, {
      size: `${height}x${width}x${channels}-${window}`,
      flops: 4 * tokens * window * window * channels,
      bytes: 4 * height * width * 4 * channels,
      weights: ['qkvBias', 'biasTable'],
    }),
  };
}

interface RelativeCase extends RelativeWindowShape {
  headSize: number;
  stock?: boolean;
  bench?: BenchRequest;
}

function relativeCase({ headSize, bench, stock = bench !== undefined, ...shape }: RelativeCase): OpCase<Ops> {
  const { height, width, window, heads } = shape;
  const channels = heads * headSize;
  const table = [2 * window - 1, headSize];
  const tokens = window * window * Math.ceil(height / window) * Math.ceil(width / window);
  return {
    op: 'relative-window-attention',
    name: `${height}x${width}, window ${window}, ${heads} heads of ${headSize}`,
    inputs: {
      qkv: randomTensor([height * width, 3 * channels], 1, 2),
      qkvBias: randomTensor([3 * channels], 2),
      rows: randomTensor(table, 3),
      columns: randomTensor(table, 4),
    },
    variants: (adapter) => relativeWindowAttention.supported({ ...shape, shift: 0, headSize }, adapter),
    kernelsOnly: !stock,
    build: (ops, { qkv, qkvBias, rows, columns }) =>
      ops.relativeWindowAttention(qkv!, qkvBias!, rows!, columns!, shape),
    reference: ({ qkv, qkvBias, rows, columns }) => [
      relativeWindowAttentionReference(qkv!.values, qkvBias!.values, rows!.values, columns!.values, shape),
    ],
    ...benchOf(bench, {
      size: `${height}x${width}x${channels}-${window}`,
      flops: 4 * tokens * window * window * channels,
      bytes: 4 * height * width * 4 * channels,
    }),
  };
}

/** Whole and completed windows, shifted and not; images smaller than a window; more queries than one workgroup. */
export const cases: OpCase<Ops>[] = [
  windowCase({ height: 7, width: 14, window: 7, shift: 0, heads: 1, headSize: 32 }),
  windowCase({ height: 14, width: 21, window: 7, shift: 3, heads: 2, headSize: 32 }),
  windowCase({ height: 9, width: 16, window: 7, shift: 0, heads: 3, headSize: 32, stock: true }),
  windowCase({ height: 15, width: 12, window: 7, shift: 3, heads: 2, headSize: 32, scale: 6, stock: true }),
  windowCase({ height: 3, width: 2, window: 7, shift: 3, heads: 1, headSize: 32 }),
  windowCase({ height: 20, width: 17, window: 12, shift: 6, heads: 1, headSize: 32 }),
  windowCase({ height: 5, width: 6, window: 4, shift: 1, heads: 2, headSize: 16 }),
  windowCase({ height: 100, width: 167, window: 7, shift: 3, heads: 6, headSize: 32, bench: true }),
  // Whole windows; rows and columns beyond the image, and rows of keys that lie there altogether; one window and less.
  relativeCase({ height: 14, width: 28, window: 14, heads: 1, headSize: 64 }),
  relativeCase({ height: 16, width: 19, window: 14, heads: 1, headSize: 64 }),
  relativeCase({ height: 16, width: 16, window: 7, heads: 3, headSize: 32, stock: true }),
  relativeCase({ height: 3, width: 5, window: 7, heads: 2, headSize: 32 }),
  relativeCase({ height: 64, width: 64, window: 14, heads: 12, headSize: 64, bench: true }),
];
