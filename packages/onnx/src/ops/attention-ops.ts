import type { OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { OnnxTrace } from '../trace.js';
import { deformableAttention } from './deformable-attention.js';
import { multiHeadAttention } from './multi-head-attention.js';
import { relativeWindowAttention, windowAttention } from './window-attention.js';

type AttentionOps = Pick<
  OpSet,
  | 'gatedAttention'
  | 'localGatedAttention'
  | 'multiHeadAttention'
  | 'windowAttention'
  | 'relativeWindowAttention'
  | 'deformableAttention'
  | 'biAttention'
>;

const HEADS_OF_FUSION = 4;

/** Every kind of attention, with its map stored, as an exporter has it. */
export const attentionOps = (trace: OnnxTrace): AttentionOps => ({
  gatedAttention: ({ query, queryColumns, keys, values, validKeys, scale }) => {
    const { graph } = trace;
    const q = trace.slice(trace.rows(query), queryColumns, 1);
    const columns = (tensor: Tensor) => tensor.shape[1]!;
    // A memory grows: how long it is, the graph learns from its values.
    const memory = trace.growing(keys, 'capacity');
    const read = values.map(({ tensor, gate }) => ({
      name: memory
        ? trace.prefix(tensor, validKeys, 'tokens').name
        : trace.slice(trace.rows(tensor), [0, validKeys], 0).name,
      columns: columns(tensor),
      gate,
    }));
    let k: string;
    if (memory) {
      const tokens = graph.node('Shape', [read[0]!.name], { start: 0, end: 1 });
      k = graph.node('Slice', [memory.name, graph.ints(0), tokens, graph.ints(1)]);
    } else {
      const known = trace.stored(keys);
      k = (known.shape[1] === validKeys ? known : trace.slice(known, [0, validKeys], 1)).name;
    }
    const scaled = graph.node('Mul', [q.name, trace.scalar(scale)]);
    return trace.weigh(graph.node('MatMul', [scaled, k]), read, query.shape[0]!);
  },
  // A dense masked map, which is what remains without a kernel of its own.
  localGatedAttention: (input) => {
    const { height, width, window, query, queryColumns, key, keyColumns, relative, values, scale } = input;
    const tokens = height * width;
    const q = trace.slice(trace.rows(query), queryColumns, 1);
    const k = trace.slice(trace.rows(key), keyColumns, 1);
    const transposed = trace.graph.node('Transpose', [k.name], { perm: [1, 0] });
    const product = trace.graph.node('MatMul', [q.name, transposed]);
    const scaled = trace.graph.node('Mul', [product, trace.scalar(scale)]);
    const terms = trace.rows(relative);
    const masked = trace.graph.node('Concat', [terms.name, trace.fill(-1e8, [tokens, 1])], { axis: 1 });
    const index = trace.graph.constant(windowIndex(height, width, window, terms.shape[1]!), [tokens, tokens]);
    const bias = trace.graph.node('GatherElements', [masked, index], { axis: 1 });
    const read = values.map(({ tensor, gate }) => ({
      name: trace.rows(tensor).name,
      columns: tensor.shape[1]!,
      gate,
    }));
    return trace.weigh(trace.graph.node('Add', [scaled, bias]), read, tokens);
  },
  multiHeadAttention: multiHeadAttention(trace),
  windowAttention: windowAttention(trace),
  relativeWindowAttention: relativeWindowAttention(trace),
  deformableAttention: deformableAttention(trace),
  biAttention: ({ image, keys, keyBias, values, bias, residual }) => {
    const [tokens, channels] = image.shape as [number, number];
    const columns = keyBias.size;
    const { graph } = trace;
    const { name: rows } = trace.rows(image);
    const product = graph.node('MatMul', [rows, trace.rows(keys).name]);
    const scores = graph.node('Add', [product, trace.rows(keyBias, [columns]).name]);
    const split = trace.reshape(scores, [tokens, columns / HEADS_OF_FUSION, HEADS_OF_FUSION]);
    const overText = trace.reshape(graph.node('Softmax', [split], { axis: 1 }), [tokens, columns]);
    let mixed = graph.node('MatMul', [overText, trace.rows(values).name]);
    const width = values.shape[1]!;
    if (bias) mixed = graph.node('Add', [mixed, trace.parameter(bias, [width])]);
    if (residual) mixed = graph.node('Add', [mixed, trace.rows(residual, [tokens, width]).name]);
    const transposed = graph.node('Transpose', [scores], { perm: [1, 0] });
    const text = graph.node('MatMul', [graph.node('Softmax', [transposed], { axis: -1 }), rows]);
    const tensor = (name: string, shape: number[]) => trace.tensor(shape, { name, layout: 'rows', shape });
    return { image: tensor(mixed, [tokens, width]), text: tensor(text, [columns, channels]) };
  },
});

/** Column of the relative term of each pair of tokens; `outside` for a pair that is not in one window. */
function windowIndex(height: number, width: number, window: number, outside: number): Int32Array {
  const tokens = height * width;
  const radius = (window - 1) / 2;
  const index = new Int32Array(tokens * tokens).fill(outside);
  for (let q = 0; q < tokens; q++) {
    for (let k = 0; k < tokens; k++) {
      const dy = Math.floor(k / width) - Math.floor(q / width) + radius;
      const dx = (k % width) - (q % width) + radius;
      if (dy >= 0 && dy < window && dx >= 0 && dx < window) index[q * tokens + k] = dy * window + dx;
    }
  }
  return index;
}
