import { randomValues } from '@samtrack/kernels/testing';
import { describe, expect, it } from 'vitest';
import { OnnxGraph } from '../src/graph/graph.js';
import { fields, Message } from '../src/graph/protobuf.js';
import { loadRuntime } from '../src/session/node/index.js';

const runtime = await loadRuntime({ threads: 1 });

describe('protocol buffers', () => {
  it('encodes fields as the documentation shows them', () => {
    expect([...new Message().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01]);
    expect([...new Message().int(1, 2 ** 28 - 1).finish()]).toEqual([0x08, 0xff, 0xff, 0xff, 0x7f]);
    expect([...new Message().int(1, 2 ** 28).finish()]).toEqual([0x08, 0x80, 0x80, 0x80, 0x80, 0x01]);
    expect([...new Message().int(1, 2 ** 31).finish()]).toEqual([0x08, 0x80, 0x80, 0x80, 0x80, 0x08]);
    expect([...new Message().int(1, -1).finish()]).toEqual([0x08, ...new Array(9).fill(255), 1]);
    expect([...new Message().string(2, 'hi').finish()]).toEqual([0x12, 2, 0x68, 0x69]);
    expect([...new Message().message(3, new Message().int(1, 150)).finish()]).toEqual([0x1a, 3, 8, 0x96, 1]);
    const nested = new Message().int(1, 300).float(2, 1).message(3, new Message().string(1, 'a').string(1, ''));
    expect([...fields(nested.finish())].map(([field, bytes]) => [field, [...bytes]])).toEqual([
      [3, [0x0a, 1, 97, 0x0a, 0]],
    ]);
    expect([...new Message().packedInts(6, [3, 270]).finish()]).toEqual([0x32, 3, 3, 0x8e, 2]);
  });
});

/** Values and their shape. */
type Input = readonly [values: Float32Array<ArrayBuffer>, shape: readonly number[]];

describe('graphs in ONNX Runtime', () => {
  const run = async (graph: OnnxGraph, value: string, shape: readonly number[], inputs: Record<string, Input>) => {
    graph.output(value, shape);
    const session = await runtime.compile(graph.finish().model, []);
    const bind = ([values, shape]: Input) => runtime.bind({ type: 'float32', shape, values });
    const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, bind(input)]));
    await session.run(feeds, { [value]: bind([out, shape]) });
    await session.release();
    return out;
  };

  it('multiplies matrices', async () => {
    const [m, k, n] = [3, 5, 4];
    const a = Float32Array.from(randomValues(m * k, 1));
    const b = randomValues(k * n, 2);
    const graph = new OnnxGraph();
    const product = graph.node('MatMul', [graph.input('a', [m, k]), graph.constant(b, [k, n])]);
    const sum = graph.node('Add', [product, graph.constant(Float32Array.of(0.5), [])]);
    const out = await run(graph, sum, [m, n], { a: [a, [m, k]] });
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let expected = 0.5;
        for (let l = 0; l < k; l++) expected += a[i * k + l]! * b[l * n + j]!;
        expect(out[i * n + j]).toBeCloseTo(expected, 5);
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
    const bent = graph.node('LeakyRelu', [large], { alpha: { float: 0.5 } });
    const values = Float32Array.of(1, 2, 3, 4, 5, 6, -7, -8, -9);
    const out = await run(graph, bent, [1, 1, 6, 6], { x: [values, [1, 1, 3, 3]] });
    expect(out[0]).toBeCloseTo(1 + 2 + 4 + 5, 5);
    expect(out[35]).toBeCloseTo(0.5 * (5 + 6 - 8 - 9), 5);
  });

  it('leaves out what no output depends on', async () => {
    const graph = new OnnxGraph();
    const [x, y] = [graph.input('x', [2]), graph.input('y', [2])];
    graph.node('Add', [x, y]);
    const value = graph.node('Relu', [x]);
    expect([...(await run(graph, value, [2], { x: [Float32Array.of(-1, 2), [2]] }))]).toEqual([0, 2]);
    expect(graph.finish().used.has('y')).toBe(false);
  });
});
