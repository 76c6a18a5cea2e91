import type { OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { OnnxTrace } from '../trace.js';
import { deformableAttention } from './deformable-attention.js';
import { localGatedAttention } from './local-attention.js';
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
  localGatedAttention: localGatedAttention(trace),
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
