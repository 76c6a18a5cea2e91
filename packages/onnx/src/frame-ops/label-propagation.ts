import { type FrameOps, ShapeError } from '@samtrack/kernels';
import type { OnnxTrace } from '../trace.js';

/** Of a pair of tokens that lie too far from each other. */
const OUTSIDE = -1e30;

/** `labelPropagation`: the products of all tokens of each frame, of which a mask leaves the window. */
export const labelPropagation =
  (trace: OnnxTrace): FrameOps['labelPropagation'] =>
  ({ height, width, query, frames, temperature, topK }) => {
    const { graph } = trace;
    const tokens = height * width;
    const channels = frames[0]?.labels.shape[1] ?? 0;
    if (frames.length < 1 || query.shape[0] !== tokens) {
      throw new ShapeError('labelPropagation', `a frame at least, and a query [${tokens}, C]`, { query });
    }
    for (const { key, labels } of frames) {
      if (key.shape[0] !== tokens || labels.shape[0] !== tokens || labels.shape[1] !== channels) {
        throw new ShapeError('labelPropagation', `keys [${tokens}, C], labels [${tokens}, ${channels}]`, {
          key,
          labels,
        });
      }
    }
    const q = trace.rows(query).name;
    const scores = frames.map(({ key, radius }) => {
      const transposed = graph.node('Transpose', [trace.rows(key).name], { perm: [1, 0] });
      const mask = trace.once(`window ${height} ${width} ${radius}`, () => window(trace, height, width, radius));
      return graph.node('Add', [graph.node('MatMul', [q, transposed]), mask]);
    });
    const all = graph.node('Concat', scores, { axis: 1 });
    const labels = graph.node(
      'Concat',
      frames.map((frame) => trace.rows(frame.labels).name),
      { axis: 0 },
    );
    // The smallest window is a corner's; where it has fewer positions than count, the others' weights are 0.
    const count = Math.min(topK, frames.length * tokens);
    const [best, index] = graph.nodes('TopK', [all, graph.ints(count)], 2, { axis: 1, largest: 1, sorted: 1 });
    const weights = graph.node('Softmax', [graph.node('Mul', [best!, trace.scalar(1 / temperature)])], { axis: 1 });
    const found = graph.node('Gather', [labels, index!], { axis: 0 });
    const weighted = graph.node('MatMul', [trace.reshape(weights, [tokens, 1, count]), found]);
    const shape = [tokens, channels];
    return trace.tensor(shape, { name: trace.reshape(weighted, shape), layout: 'rows', shape });
  };

/** 0 for pairs of tokens that lie at most `radius` apart in either direction, [tokens, tokens]; computed in the graph. */
function window(trace: OnnxTrace, height: number, width: number, radius: number): string {
  const { graph } = trace;
  const tokens = height * width;
  const along = (length: number) => {
    const values = new Float32Array(length * length);
    for (let i = 0; i < values.length; i++) {
      values[i] = Math.abs(Math.floor(i / length) - (i % length)) <= radius ? 0 : OUTSIDE;
    }
    return values;
  };
  const rows = graph.constant(along(height), [height, 1, height, 1]);
  const columns = graph.constant(along(width), [1, width, 1, width]);
  // Not below what float32 holds where both are outside.
  const both = graph.node('Min', [rows, columns]);
  return trace.reshape(both, [tokens, tokens]);
}
