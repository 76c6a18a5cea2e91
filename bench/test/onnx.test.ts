import { randomValues } from '@samtrack/kernels/testing';
import { describe, expect, it } from 'vitest';
import { OnnxGraph } from '../src/onnx/graph.js';
import { Message, varint } from '../src/onnx/protobuf.js';
import { loadOnnxRuntime } from '../src/onnx/session.js';

const ort = await loadOnnxRuntime();

describe('protocol buffers', () => {
  it('encodes integers in groups of seven bits', () => {
    expect([...varint(1)]).toEqual([1]);
    expect([...varint(150)]).toEqual([0x96, 1]);
    expect([...varint(-1)]).toEqual([...new Array(9).fill(255), 1]);
  });

  it('encodes fields as the documentation shows them', () => {
    expect([...new Message().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01]);
    expect([...new Message().string(2, 'hi').finish()]).toEqual([0x12, 2, 0x68, 0x69]);
    expect([...new Message().message(3, new Message().int(1, 150)).finish()]).toEqual([0x1a, 3, 8, 0x96, 1]);
    expect([...new Message().packedInts(6, [3, 270]).finish()]).toEqual([0x32, 3, 3, 0x8e, 2]);
  });
});

// ONNX Runtime is optional: `pnpm install --no-optional` leaves it out.
describe.skipIf(!ort)('graphs in ONNX Runtime (skipped where onnxruntime-node is not installed)', () => {
  const run = async (graph: OnnxGraph, inputs: Record<string, { values: Float32Array; shape: number[] }>) => {
    const session = await ort!.session(graph.finish(), 'cpu', inputs);
    const outputs = await session.run();
    await session.release();
    return outputs;
  };

  it('multiplies matrices', async () => {
    const [m, k, n] = [3, 5, 4];
    const a = randomValues(m * k, 1);
    const b = randomValues(k * n, 2);
    const graph = new OnnxGraph();
    const product = graph.node('MatMul', [graph.input('a', [m, k]), graph.constant(b, [k, n])]);
    graph.output(graph.node('Add', [product, graph.constant(Float32Array.of(0.5), [])]), [m, n], 'out');
    const { out } = await run(graph, { a: { values: a, shape: [m, k] } });
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0.5;
        for (let l = 0; l < k; l++) sum += a[i * k + l]! * b[l * n + j]!;
        expect(out![i * n + j]).toBeCloseTo(sum, 5);
      }
    }
  });

  it('convolves, with attributes of every type', async () => {
    const graph = new OnnxGraph();
    const x = graph.input('x', [1, 1, 3, 3]);
    const weight = graph.constant(new Float32Array(9).fill(1), [1, 1, 3, 3]);
    const sums = graph.node('Conv', [x, weight], { pads: [1, 1, 1, 1], kernel_shape: [3, 3], group: 1 });
    const large = graph.node('Resize', [sums, '', '', graph.ints(1, 1, 6, 6)], {
      mode: 'linear',
      coordinate_transformation_mode: 'align_corners',
    });
    graph.output(graph.node('LeakyRelu', [large], { alpha: { float: 0.5 } }), [1, 1, 6, 6], 'out');
    const values = Float32Array.of(1, 2, 3, 4, 5, 6, -7, -8, -9);
    const { out } = await run(graph, { x: { values, shape: [1, 1, 3, 3] } });
    expect(out![0]).toBeCloseTo(1 + 2 + 4 + 5, 5);
    expect(out![35]).toBeCloseTo(0.5 * (5 + 6 - 8 - 9), 5);
  });

  it('counts operators', () => {
    const graph = new OnnxGraph();
    const x = graph.input('x', [2]);
    graph.output(graph.node('Relu', [graph.node('Relu', [x])]), [2]);
    expect([...graph.operators]).toEqual([['Relu', 2]]);
  });
});
