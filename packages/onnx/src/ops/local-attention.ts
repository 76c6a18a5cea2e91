import type { OpSet } from '@samtrack/kernels';
import type { OnnxTrace } from '../trace.js';

/** Rows of queries that attend together: fewer leave less of the map to be computed in vain, more make larger products. */
const BLOCK_ROWS = 4;
/** Of a pair of tokens that lie too far from each other. */
const OUTSIDE = -1e8;
/** Larger than any column. */
const FAR = 1 << 20;

/**
 * `localGatedAttention`: for each block of rows a masked map of the rows that its windows reach; what a window leaves out of these is
 * computed in vain.
 */
export const localGatedAttention =
  (trace: OnnxTrace): OpSet['localGatedAttention'] =>
  ({ height, width, window, query, queryColumns, key, keyColumns, relative, values, scale }) => {
    const { graph } = trace;
    const radius = (window - 1) / 2;
    const q = trace.slice(trace.rows(query), queryColumns, 1);
    const k = trace.slice(trace.rows(key), keyColumns, 1);
    const scaled = { ...q, name: graph.node('Mul', [q.name, trace.scalar(scale)]) };
    const transposed = { ...k, name: graph.node('Transpose', [k.name], { perm: [1, 0] }), shape: k.shape.toReversed() };
    const terms = trace.rows(relative);
    const masked = {
      ...terms,
      name: graph.node('Concat', [terms.name, trace.fill(OUTSIDE, [height * width, 1])], { axis: 1 }),
      shape: [terms.shape[0]!, terms.shape[1]! + 1],
    };
    const sources = values.map(({ tensor }) => trace.rows(tensor));
    const blocks = Array.from({ length: Math.ceil(height / BLOCK_ROWS) }, (_, i) => i * BLOCK_ROWS);
    const mixed = blocks.map((first) => {
      const rows = Math.min(BLOCK_ROWS, height - first);
      const firstKey = Math.max(0, first - radius);
      const keyRows = Math.min(height, first + rows + radius) - firstKey;
      const [queries, keys] = [[first * width, rows * width] as const, [firstKey * width, keyRows * width] as const];
      const product = graph.node('MatMul', [
        trace.slice(scaled, queries, 0).name,
        trace.slice(transposed, keys, 1).name,
      ]);
      const index = relativeIndex(trace, { first, rows, firstKey, keyRows, width, window, outside: terms.shape[1]! });
      const bias = graph.node('GatherElements', [trace.slice(masked, queries, 0).name, index], { axis: 1 });
      const weights = graph.node('Softmax', [graph.node('Add', [product, bias])], { axis: -1 });
      return sources.map((source) => graph.node('MatMul', [weights, trace.slice(source, keys, 0).name]));
    });
    return trace.concat(
      values.map(({ tensor, gate }, i) => {
        const shape = [height * width, tensor.shape[1]!];
        const parts = mixed.map((block) => block[i]!);
        let name = parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 0 });
        if (gate) name = graph.node('Mul', [name, trace.rows(gate, shape).name]);
        return { name, layout: 'rows', shape };
      }),
    );
  };

interface Block {
  /** Of queries. */
  readonly first: number;
  readonly rows: number;
  readonly firstKey: number;
  readonly keyRows: number;
  readonly width: number;
  readonly window: number;
  /** The column for pairs that are not in one window. */
  readonly outside: number;
}

/** Columns of the relative terms of pairs of queries and keys; put together in the graph, which would be large with it. */
function relativeIndex(trace: OnnxTrace, block: Block): string {
  const { first, rows, firstKey, keyRows, width, window, outside } = block;
  const { graph } = trace;
  const along = (queries: number, keys: number, offset: number, stride: number) =>
    Int32Array.from({ length: queries * keys }, (_, i) => {
      const distance = (i % keys) - Math.floor(i / keys) + offset + (window - 1) / 2;
      return distance >= 0 && distance < window ? stride * distance : FAR;
    });
  const byRow = graph.constant(along(rows, keyRows, firstKey - first, window), [rows, 1, keyRows, 1]);
  const byColumn = trace.once(`columns ${width} ${window}`, () =>
    graph.constant(along(width, width, 0, 1), [1, width, 1, width]),
  );
  const last = trace.once(`column ${outside}`, () => graph.constant(Int32Array.of(outside), []));
  const within = graph.node('Min', [graph.node('Add', [byRow, byColumn]), last]);
  return trace.reshape(within, [rows * width, keyRows * width]);
}
