import { type OpSet, sineFrequency } from '@samtrack/kernels';
import type { OnnxTrace } from '../trace.js';

/** Operations on the boxes of a detector and on masks. */
export const detectionOps = (trace: OnnxTrace): Pick<OpSet, 'refineBoxes' | 'boxSineEmbedding' | 'maskLogits'> => ({
  refineBoxes: (delta, boxes, { eps = 1e-3 } = {}) => {
    const { graph } = trace;
    const inside = graph.node('Clip', [trace.rows(boxes).name, trace.scalar(0), trace.scalar(1)]);
    const share = graph.node('Max', [inside, trace.scalar(eps)]);
    const rest = graph.node('Max', [graph.node('Sub', [trace.scalar(1), inside]), trace.scalar(eps)]);
    const logit = graph.node('Log', [graph.node('Div', [share, rest])]);
    const name = graph.node('Sigmoid', [graph.node('Add', [trace.rows(delta).name, logit])]);
    return trace.tensor(delta.shape, { name, layout: 'rows', shape: delta.shape });
  },
  boxSineEmbedding: (boxes, { channels = 128, temperature = 10_000 } = {}) => {
    const { graph } = trace;
    const queries = boxes.shape[0]!;
    const frequencies = Float32Array.from({ length: channels / 2 }, (_, i) => sineFrequency(i, channels, temperature));
    const order = graph.constant(Int32Array.of(1, 0, 2, 3), [4]);
    const ordered = graph.node('Gather', [trace.rows(boxes).name, order], { axis: 1 });
    const angles = graph.node('Mul', [
      trace.reshape(ordered, [queries, 4, 1, 1]),
      graph.constant(frequencies, [channels / 2, 1]),
    ]);
    const codes = graph.node('Concat', [graph.node('Sin', [angles]), graph.node('Cos', [angles])], { axis: 3 });
    const shape = [queries, 4 * channels];
    return trace.tensor(shape, { name: trace.reshape(codes, shape), layout: 'rows', shape });
  },
  maskLogits: (features, vectors, [height, width]) => {
    const { graph } = trace;
    const [batch, masks, channels] = vectors.shape as [number, number, number];
    const pixels = trace.rows(features, [batch, features.size / batch / channels, channels]);
    const transposed = graph.node('Transpose', [pixels.name], { perm: [0, 2, 1] });
    const products = graph.node('MatMul', [trace.rows(vectors).name, transposed]);
    // Rows and columns of the grid, of its pixels' blocks, and of the blocks' own.
    const blocks = trace.reshape(products, [batch * masks, height, width, 2, 2, 2, 2]);
    const ordered = graph.node('Transpose', [blocks], { perm: [0, 1, 3, 5, 2, 4, 6] });
    const shape = [batch, masks, 4 * height, 4 * width];
    return trace.tensor(shape, { name: trace.reshape(ordered, shape), layout: 'rows', shape });
  },
});
