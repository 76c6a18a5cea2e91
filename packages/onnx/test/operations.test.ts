import { type Engine, getEngine, initialize, shutdown } from '@samtrack/kernels';
import { type CaseTensor, normalisedError } from '@samtrack/kernels/testing';
import { type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initializeCpu, type OnnxEngine, shutdownCpu } from '../src/index.js';
import { OPERATIONS, type Operation } from './operations.js';

/** Runs an operation on the current engine. */
async function run(engine: Engine, { data, weights = {}, run: work }: Operation): Promise<ArrayLike<number>[]> {
  const inputs = Object.entries(data).map(([name, given]) => [name, allocated(engine, given)] as const);
  const constants = Object.entries(weights).map(([name, { values, shape }]) => [name, tensor(values, shape)] as const);
  const tensors = Object.fromEntries([...inputs, ...constants]);
  const results = tidy(() => [work(engine, tensors)].flat());
  const values = await Promise.all(
    results.map(async (one) => {
      const bytes = await engine.read(one);
      return one.dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
    }),
  );
  for (const one of [...results, ...Object.values(tensors)]) one.dispose();
  return values;
}

function allocated(engine: Engine, { shape, values }: CaseTensor): Tensor {
  const out = engine.allocate(shape, values instanceof Int32Array ? 'int32' : 'float32');
  engine.write(out, values as Float32Array<ArrayBuffer>);
  return out;
}

describe('operations of the CPU engine are those of the kernels', () => {
  const expected = new Map<string, ArrayLike<number>[]>();
  let engine: OnnxEngine;

  beforeAll(async () => {
    const runtime = await initialize();
    for (const operation of OPERATIONS) expected.set(operation.name, await run(getEngine(), operation));
    shutdown(runtime);
    engine = await initializeCpu();
  });
  afterAll(() => shutdownCpu(engine));

  it.each(OPERATIONS.map((operation) => [operation.name, operation] as const))('%s', async (name, operation) => {
    const results = await run(engine, operation);
    const reference = expected.get(name)!;
    expect(results.length).toBe(reference.length);
    for (const [i, result] of results.entries()) {
      expect(normalisedError(result, reference[i]!)).toBeLessThan(operation.tolerance ?? 1e-10);
    }
  });
});
