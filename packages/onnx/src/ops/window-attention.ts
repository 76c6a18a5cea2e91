import type { OpSet } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { OnnxTrace } from '../trace.js';
import { relativeBias } from './multi-head-attention.js';

/** An image of tokens that is cut into windows. */
interface Geometry {
  readonly height: number;
  readonly width: number;
  readonly window: number;
  readonly shift?: number;
  readonly heads: number;
}

/** `windowAttention` as Swin is exported: the image padded, rolled and cut into windows, the map of each stored. */
export const windowAttention =
  (trace: OnnxTrace): OpSet['windowAttention'] =>
  (qkv, qkvBias, biasTable, geometry) => {
    const { graph } = trace;
    const { window, shift, heads } = geometry;
    const tokens = window * window;
    const cut = cutWindows(trace, qkv, qkvBias, geometry);
    const index = new Int32Array(tokens * tokens);
    for (let i = 0; i < index.length; i++) {
      const [query, key] = [Math.floor(i / tokens), i % tokens];
      const dy = Math.floor(query / window) - Math.floor(key / window);
      const dx = (query % window) - (key % window);
      index[i] = (dy + window - 1) * (2 * window - 1) + dx + window - 1;
    }
    const table = trace.parameter(biasTable, [(2 * window - 1) ** 2, heads]);
    const gathered = graph.node('Gather', [table, graph.constant(index, [tokens, tokens])], { axis: 0 });
    const bias = graph.node('Transpose', [gathered], { perm: [2, 0, 1] });
    let scores = graph.node('Add', [cut.scores, bias]);
    if (shift > 0) {
      const mask = regionMask(cut.rows, cut.columns, window, shift);
      scores = graph.node('Add', [scores, graph.constant(mask, [cut.windows, 1, tokens, tokens])]);
    }
    return joinWindows(trace, graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), cut.value]), cut);
  };

/** `relativeWindowAttention` as Segment Anything is exported. */
export const relativeWindowAttention =
  (trace: OnnxTrace): OpSet['relativeWindowAttention'] =>
  (qkv, qkvBias, rows, columns, geometry) => {
    const { graph } = trace;
    const { window, heads } = geometry;
    const tokens = window * window;
    const cut = cutWindows(trace, qkv, qkvBias, geometry);
    const maps = cut.windows * heads;
    const headSize = cut.channels / heads;
    const query = trace.reshape(cut.query, [maps, tokens, headSize]);
    const bias = relativeBias(trace, query, maps, headSize, { height: window, width: window, rows, columns });
    const grid = trace.reshape(cut.scores, [maps, tokens, window, window]);
    const added = graph.node('Add', [graph.node('Add', [grid, bias.rows]), bias.columns]);
    const scores = trace.reshape(added, [cut.windows, heads, tokens, tokens]);
    return joinWindows(trace, graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), cut.value]), cut);
  };

/** Windows of an image: queries and values [windows, heads, tokens, head size], scaled products of queries and keys. */
interface Windows extends Geometry {
  readonly rows: number;
  readonly columns: number;
  readonly windows: number;
  readonly channels: number;
  readonly query: string;
  readonly value: string;
  readonly scores: string;
}

function cutWindows(trace: OnnxTrace, qkv: Tensor, qkvBias: Tensor, geometry: Geometry): Windows {
  const { graph } = trace;
  const { height, width, window, shift = 0, heads } = geometry;
  const channels = qkv.shape[1]! / 3;
  const headSize = channels / heads;
  const rows = Math.ceil(height / window) * window;
  const columns = Math.ceil(width / window) * window;
  const tokens = window * window;
  const windows = (rows * columns) / tokens;

  let image = trace.rows(qkv, [height, width, 3 * channels]).name;
  const padding = (h: number, w: number) => {
    const bias = trace.parameter(qkvBias, [1, 1, 3 * channels]);
    return graph.node('Expand', [bias, graph.ints(h, w, 3 * channels)]);
  };
  if (columns > width) image = graph.node('Concat', [image, padding(height, columns - width)], { axis: 1 });
  if (rows > height) image = graph.node('Concat', [image, padding(rows - height, columns)], { axis: 0 });
  image = roll(trace, image, [rows, columns], shift);
  const grouped = trace.reshape(image, [rows / window, window, columns / window, window, 3 * channels]);
  const cut = graph.node('Transpose', [grouped], { perm: [0, 2, 1, 3, 4] });
  // [3, windows, heads, tokens, head size]
  const parts = graph.node('Transpose', [trace.reshape(cut, [windows, tokens, 3, heads, headSize])], {
    perm: [2, 0, 3, 1, 4],
  });
  const part = (i: number) => graph.node('Gather', [parts, graph.constant(Int32Array.of(i), [])], { axis: 0 });
  const query = part(0);
  const scaled = graph.node('Mul', [query, trace.scalar(1 / Math.sqrt(headSize))]);
  const transposed = graph.node('Transpose', [part(1)], { perm: [0, 1, 3, 2] });
  const scores = graph.node('MatMul', [scaled, transposed]);
  return { ...geometry, rows, columns, windows, channels, query, value: part(2), scores };
}

/** Windows [windows, heads, tokens, head size] back in the image, without its padding: [height * width, channels]. */
function joinWindows(trace: OnnxTrace, mixed: string, cut: Windows): Tensor {
  const { graph } = trace;
  const { height, width, window, shift = 0, rows, columns, channels } = cut;
  const together = graph.node('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  const blocks = trace.reshape(together, [rows / window, columns / window, window, window, channels]);
  const ordered = graph.node('Transpose', [blocks], { perm: [0, 2, 1, 3, 4] });
  let name = roll(trace, trace.reshape(ordered, [rows, columns, channels]), [rows, columns], -shift);
  if (rows > height || columns > width) {
    name = graph.node('Slice', [name, graph.ints(0, 0), graph.ints(height, width), graph.ints(0, 1)]);
  }
  const shape = [height * width, channels];
  return trace.tensor(shape, { name: trace.reshape(name, shape), layout: 'rows', shape });
}

/** Moves an image cyclically up and left (negative: down and right). */
function roll(trace: OnnxTrace, image: string, size: readonly [number, number], by: number): string {
  if (by === 0) return image;
  const { graph } = trace;
  return size.reduce((name, length, axis) => {
    const cut = (by + length) % length;
    const part = (first: number, end: number) =>
      graph.node('Slice', [name, graph.ints(first), graph.ints(end), graph.ints(axis)]);
    return graph.node('Concat', [part(cut, length), part(0, cut)], { axis });
  }, image);
}

/** -100 between tokens of different regions of the shifted grid. */
function regionMask(rows: number, columns: number, window: number, shift: number): Float32Array {
  const band = (position: number, length: number) =>
    position < length - window ? 0 : position < length - shift ? 1 : 2;
  const tokens = window * window;
  const windows = (rows * columns) / tokens;
  const values = new Float32Array(windows * tokens * tokens);
  for (let w = 0; w < windows; w++) {
    const top = Math.floor(w / (columns / window)) * window;
    const left = (w % (columns / window)) * window;
    const region = (token: number) =>
      3 * band(top + Math.floor(token / window), rows) + band(left + (token % window), columns);
    for (let i = 0; i < tokens * tokens; i++) {
      if (region(Math.floor(i / tokens)) !== region(i % tokens)) values[w * tokens * tokens + i] = -100;
    }
  }
  return values;
}
