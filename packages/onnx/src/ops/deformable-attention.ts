import type { OpSet } from '@samtrack/kernels';
import type { OnnxTrace } from '../trace.js';

/** `deformableAttention` as PyTorch without the CUDA extension exports it: `GridSample` on each level. */
export const deformableAttention =
  (trace: OnnxTrace): OpSet['deformableAttention'] =>
  (value, projection, reference, { levels, heads, points }) => {
    const { graph } = trace;
    const queries = projection.shape[0]!;
    const channels = value.shape[1]!;
    const size = channels / heads;
    const samples = levels.length * points;
    const parts = trace.rows(projection);
    const offsets = trace.reshape(trace.slice(parts, [0, heads * samples * 2], 1).name, [
      queries,
      heads,
      levels.length,
      points,
      2,
    ]);
    const logits = trace.slice(parts, [heads * samples * 2, heads * samples], 1);
    const weights = graph.node('Softmax', [trace.reshape(logits.name, [queries, heads, samples])], { axis: -1 });
    // [heads, 1, Q, levels, points]
    const perHead = graph.node('Transpose', [trace.reshape(weights, [queries, heads, 1, levels.length, points])], {
      perm: [1, 2, 0, 3, 4],
    });
    const coordinates = reference.shape[1]!;
    const known = trace.rows(reference);
    const centre = trace.reshape(trace.slice(known, [0, 2], 1).name, [queries, 1, 1, 2]);
    const extent = coordinates === 4 ? trace.slice(known, [2, 2], 1) : undefined;
    let out: string | undefined;
    let start = 0;
    for (const [l, { height, width }] of levels.entries()) {
      const level = (name: string, axis: number) =>
        graph.node('Gather', [name, graph.constant(Int32Array.of(l), [])], { axis });
      // Shares of the image.
      let moved = level(offsets, 2);
      if (extent) {
        const half = graph.node('Mul', [extent.name, trace.scalar(0.5 / points)]);
        moved = graph.node('Mul', [moved, trace.reshape(half, [queries, 1, 1, 2])]);
      } else {
        moved = graph.node('Div', [moved, graph.constant(Float32Array.of(width, height), [2])]);
      }
      const location = graph.node('Add', [moved, centre]);
      const doubled = graph.node('Mul', [location, trace.scalar(2)]);
      const grid = graph.node('Transpose', [graph.node('Sub', [doubled, trace.scalar(1)])], { perm: [1, 0, 2, 3] });
      const rows = trace.slice(trace.rows(value), [start, height * width], 0).name;
      const maps = trace.reshape(graph.node('Transpose', [rows], { perm: [1, 0] }), [heads, size, height, width]);
      // [heads, size, Q, points]
      const sampled = graph.node('GridSample', [maps, grid], {
        align_corners: 0,
        mode: 'bilinear',
        padding_mode: 'zeros',
      });
      const weighted = graph.node('Mul', [sampled, level(perHead, 3)]);
      const sum = graph.node('ReduceSum', [weighted, graph.ints(3)], { keepdims: 0 });
      out = out === undefined ? sum : graph.node('Add', [out, sum]);
      start += height * width;
    }
    const shape = [queries, channels];
    const name = trace.reshape(graph.node('Transpose', [out!], { perm: [2, 0, 1] }), shape);
    return trace.tensor(shape, { name, layout: 'rows', shape });
  };
