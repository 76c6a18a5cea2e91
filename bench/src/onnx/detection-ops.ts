import { type OpSet, sineFrequency } from '@samtrack/kernels';
import type { OnnxTrace } from './trace.js';

/** Operations on the boxes of a detector. */
export const detectionOps = (trace: OnnxTrace): Pick<OpSet, 'refineBoxes' | 'boxSineEmbedding'> => ({
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
});
