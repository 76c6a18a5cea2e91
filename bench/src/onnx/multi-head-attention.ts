import type { OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { type OnnxTrace, OnnxTraceError } from './trace.js';

/** The map of all heads is stored whole up to this size, head by head beyond: what adapters bind by default. */
const MAX_MAP_BYTES = 2 ** 27;

/** `multiHeadAttention` of one image or caption: the map is a tensor, relative positions are added to it by axis. */
export const multiHeadAttention =
  (trace: OnnxTrace): OpSet['multiHeadAttention'] =>
  (query, key, value, options) => {
    if ([query, key, value].some(({ rank, shape }) => rank === 3 && shape[0] !== 1)) {
      return batched(trace, query, key, value, options);
    }
    const { graph } = trace;
    const { heads, mask, relative, queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
    const channels = options.channels ?? query.shape.at(-1)!;
    const headSize = channels / heads;
    const [queries, keys] = [query.shape.at(-2)!, key.shape.at(-2)!];
    /** Heads before tokens; keys with their channels before the tokens. */
    const split = (tensor: Tensor, column: number, perm: readonly number[]) => {
      const [tokens, width] = tensor.shape.slice(-2) as [number, number];
      const part = trace.slice(trace.rows(tensor, [tokens, width]), [column, channels], 1);
      return graph.node('Transpose', [trace.reshape(part.name, [tokens, heads, headSize])], { perm });
    };
    const q = split(query, queryColumn, [1, 0, 2]);
    const k = split(key, keyColumn, [1, 2, 0]);
    const v = split(value, valueColumn, [1, 0, 2]);
    const scaled = graph.node('Mul', [q, trace.scalar(options.scale ?? 1 / Math.sqrt(headSize))]);
    const bias = relative && relativeBias(trace, q, heads, headSize, relative);
    const weigh = (first: number, count: number) => {
      const of = (name: string) =>
        count === heads
          ? name
          : graph.node('Slice', [name, graph.ints(first), graph.ints(first + count), graph.ints(0)]);
      let scores = graph.node('MatMul', [of(scaled), of(k)]);
      if (bias && relative) {
        const grid = [count, queries, relative.height, relative.width];
        const added = graph.node('Add', [trace.reshape(scores, grid), of(bias.rows)]);
        scores = trace.reshape(graph.node('Add', [added, of(bias.columns)]), [count, queries, keys]);
      }
      if (mask) scores = graph.node('Add', [scores, trace.rows(mask).name]);
      return graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), of(v)]);
    };
    const together = heads * queries * keys * 4 <= MAX_MAP_BYTES ? heads : 1;
    const parts = Array.from({ length: heads / together }, (_, i) => weigh(i * together, together));
    const mixed = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 0 });
    const shape = query.rank === 3 ? [1, queries, channels] : [queries, channels];
    const name = trace.reshape(graph.node('Transpose', [mixed], { perm: [1, 0, 2] }), shape);
    return trace.tensor(shape, { name, layout: 'rows', shape });
  };

/** Several attentions at once; operands of a batch of 1 are common to all. */
function batched(trace: OnnxTrace, ...[query, key, value, options]: Parameters<OpSet['multiHeadAttention']>): Tensor {
  const { graph } = trace;
  const { heads, mask, relative, queryColumn = 0, keyColumn = 0, valueColumn = 0 } = options;
  if (relative)
    throw new OnnxTraceError('a batch of attentions with relative positions has no translation to ONNX yet.');
  const channels = options.channels ?? query.shape.at(-1)!;
  const headSize = channels / heads;
  const batchOf = ({ rank, shape }: Tensor) => (rank === 3 ? shape[0]! : 1);
  const split = (tensor: Tensor, column: number, perm: readonly number[]) => {
    const [batch, tokens, width] = [batchOf(tensor), ...(tensor.shape.slice(-2) as [number, number])];
    const part = trace.slice(trace.rows(tensor, [batch, tokens, width]), [column, channels], 2);
    return graph.node('Transpose', [trace.reshape(part.name, [batch, tokens, heads, headSize])], { perm });
  };
  const q = split(query, queryColumn, [0, 2, 1, 3]);
  const scaled = graph.node('Mul', [q, trace.scalar(options.scale ?? 1 / Math.sqrt(headSize))]);
  let scores = graph.node('MatMul', [scaled, split(key, keyColumn, [0, 2, 3, 1])]);
  if (mask) scores = graph.node('Add', [scores, trace.rows(mask).name]);
  const weights = graph.node('Softmax', [scores], { axis: -1 });
  const mixed = graph.node('MatMul', [weights, split(value, valueColumn, [0, 2, 1, 3])]);
  const shape = [Math.max(...[query, key, value].map(batchOf)), query.shape.at(-2)!, channels];
  const name = trace.reshape(graph.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }), shape);
  return trace.tensor(shape, { name, layout: 'rows', shape });
}

type Relative = NonNullable<Parameters<OpSet['multiHeadAttention']>[3]['relative']>;

/**
 * Terms of the rows [heads, T, height, 1] and of the columns [heads, T, 1, width] for queries [heads, T, head size]; heads of
 * several windows count as more heads.
 */
export function relativeBias(trace: OnnxTrace, q: string, heads: number, headSize: number, relative: Relative) {
  const { graph } = trace;
  const { height, width, rows, columns } = relative;
  const tokens = height * width;
  const grid = trace.reshape(q, [heads, height, width, headSize]);
  // Rows of a table by query and key position, [side, head size, side].
  const vectors = (table: Tensor, side: number) => {
    const index = Int32Array.from({ length: side * side }, (_, i) => Math.floor(i / side) - (i % side) + side - 1);
    const gathered = graph.node('Gather', [trace.rows(table).name, graph.constant(index, [side, side])], { axis: 0 });
    return graph.node('Transpose', [gathered], { perm: [0, 2, 1] });
  };
  const byRow = graph.node('Transpose', [grid], { perm: [1, 0, 2, 3] });
  const y = graph.node('MatMul', [trace.reshape(byRow, [height, heads * width, headSize]), vectors(rows, height)]);
  const yBack = graph.node('Transpose', [trace.reshape(y, [height, heads, width, height])], { perm: [1, 0, 2, 3] });
  const byColumn = graph.node('Transpose', [grid], { perm: [2, 0, 1, 3] });
  const x = graph.node('MatMul', [trace.reshape(byColumn, [width, heads * height, headSize]), vectors(columns, width)]);
  const xBack = graph.node('Transpose', [trace.reshape(x, [width, heads, height, width])], { perm: [1, 2, 0, 3] });
  return {
    rows: trace.reshape(yBack, [heads, tokens, height, 1]),
    columns: trace.reshape(xBack, [heads, tokens, 1, width]),
  };
}
