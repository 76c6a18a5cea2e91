import { convOutput, type OpSet } from '@samtrack/kernels';
import { ELEMENT_TYPES } from '../graph/graph.js';
import type { OnnxTrace } from '../trace.js';

/** For each of `output` positions the one of `input` that a nearest-neighbour resize reads. */
const nearest = (input: number, output: number) =>
  Int32Array.from({ length: output }, (_, i) => Math.floor((i * input) / output));

/** `idEmbedding` as it is defined: a convolution over the one-hot encoding. */
export const idEmbedding =
  (trace: OnnxTrace): OpSet['idEmbedding'] =>
  (labels, bank, { height, width, stride, padding, firstId = 1 }) => {
    const { graph } = trace;
    const [kernel, , classes, channels] = bank.kernel.shape as [number, number, number, number];
    const [labelHeight, labelWidth] = labels.shape as [number, number];
    let resized = trace.rows(labels).name;
    if (labelHeight !== height) {
      resized = graph.node('Gather', [resized, graph.constant(nearest(labelHeight, height), [height])], { axis: 0 });
    }
    if (labelWidth !== width) {
      resized = graph.node('Gather', [resized, graph.constant(nearest(labelWidth, width), [width])], { axis: 1 });
    }
    // All groups of objects share a graph: which one it is, is an input.
    const ids = trace.literal(
      Int32Array.from({ length: classes - 1 }, (_, i) => firstId + i),
      [1, classes - 1, 1, 1],
    );
    const map = trace.reshape(resized, [1, 1, height, width]);
    const objects = graph.node('Cast', [graph.node('Equal', [map, ids])], { to: ELEMENT_TYPES.float32 });
    const known = graph.node('ReduceSum', [objects, graph.ints(1)], { keepdims: 1 });
    const background = graph.node('Sub', [trace.scalar(1), known]);
    const oneHot = graph.node('Concat', [background, objects], { axis: 1 });
    const out = graph.node('Conv', [oneHot, trace.filters(bank.kernel, classes), trace.parameter(bank.bias)], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
    const size = [height, width].map((length) => convOutput(length, kernel, stride, 1, 2 * padding));
    const positions = size[0]! * size[1]!;
    return trace.tensor([positions, channels], { name: out, layout: 'image', shape: [1, channels, ...size] });
  };
