/** Every case of every operation of the kernels, on the CPU engine, against the same float64 reference. */
import { allCases, type CaseTensor, normalisedError, type OpCase } from '@samtrack/kernels/testing';
import { memory, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initializeCpu, type OnnxEngine, shutdownCpu } from '../src/index.js';

/** What there is no such thing as on this engine. */
const KERNELS_ALONE: Readonly<Record<string, (name: string) => boolean>> = {
  // A kernel that attention is made of.
  softmax: () => true,
  // Writing into a part of a tensor, and half precision.
  gemm: (name) => /into a block of a target|float16/.test(name),
};

/** Of ONNX Runtime's sums, which are not the kernels', on operands as the cases have them. */
const TOLERANCE = 1e-11;
/** It has the variance from the mean of squares, which costs digits where the mean is a thousand times the deviation. */
const OFFSET_TOLERANCE = 1e-7;

const cases = allCases.filter(({ op, name, bench }) => !bench && !KERNELS_ALONE[op]?.(name));

let engine: OnnxEngine;

/** As what models compute, whose values are not known when the graph is made, or as weights. */
function toTensor({ shape, values }: CaseTensor, known: boolean): Tensor {
  const dtype = values instanceof Int32Array ? 'int32' : 'float32';
  if (known) return tensor(values, shape, dtype);
  const out = engine.allocate(shape, dtype);
  engine.write(out, values as Float32Array<ArrayBuffer>);
  return out;
}

async function run({ build, inputs }: OpCase, known: boolean): Promise<ArrayLike<number>[]> {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([key, t]) => [key, toTensor(t, known)]));
  const outputs = tidy(() => [build(engine.ops, tensors)].flat());
  const values: ArrayLike<number>[] = [];
  for (const output of outputs) {
    const bytes = await engine.read(output);
    values.push(output.dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes));
    output.dispose();
  }
  for (const input of Object.values(tensors)) input.dispose();
  return values;
}

describe.each([...new Set(cases.map(({ op }) => op))])('%s', (op) => {
  beforeAll(async () => {
    engine = await initializeCpu();
  });
  afterAll(() => shutdownCpu(engine));

  it.each(cases.filter((one) => one.op === op).map((one) => [one.name, one] as const))('%s', async (_, opCase) => {
    const before = memory().numTensors;
    const expected = opCase.reference(opCase.inputs);
    const limit = /mean of 1000/.test(opCase.name) ? OFFSET_TOLERANCE : Math.max(opCase.tolerance ?? 0, TOLERANCE);
    for (const known of [false, true]) {
      const actual = await run(opCase, known);
      expect(actual.length).toBe(expected.length);
      for (const [i, values] of actual.entries()) {
        expect(normalisedError(values, expected[i]!), `output ${i}, ${known ? 'weights' : 'data'}`).toBeLessThanOrEqual(
          limit,
        );
      }
    }
    expect(memory().numTensors).toBe(before);
  });
});
