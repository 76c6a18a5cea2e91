import { OperandError, transpose } from '@samtrack/kernels';
import { randomTensor } from '@samtrack/kernels/testing';
import { tensor } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initializeCpu, type OnnxEngine, shutdownCpu } from '../src/index.js';
import { loadRuntime } from '../src/session/web/index.js';

let engine: OnnxEngine;
beforeEach(async () => {
  engine = await initializeCpu();
});
afterEach(() => shutdownCpu(engine));

describe('the CPU engine', () => {
  it('says which operation ONNX Runtime refused', async () => {
    const weights = tensor(randomTensor([4, 5]).values, [4, 5]);
    const product = engine.ops.gemm(engine.allocate([2, 3]), weights);
    await expect(engine.read(product)).rejects.toMatchObject({
      name: 'OnnxEngineError',
      code: 'refused',
      message: expect.stringMatching(/MatMul/),
    });
  });

  it('refuses what the operations refuse on a GPU', () => {
    const x = engine.allocate([2, 3]);
    // @ts-expect-error misspelt
    expect(() => transpose(x, { inot: x })).toThrow(OperandError);
    expect(() => transpose([1, 2] as never)).toThrow(/x is to be a tensor/);
    expect(transpose(x).shape).toEqual([3, 2]);
  });

  it('compiles a graph once, however long the memory is that it reads', async () => {
    const [keys, values] = [engine.allocate([8, 24]), engine.allocate([24, 12])];
    engine.write(keys, randomTensor([8, 24], 1).values as Float32Array<ArrayBuffer>);
    engine.write(values, randomTensor([24, 12], 2).values as Float32Array<ArrayBuffer>);
    const query = engine.allocate([6, 8]);
    engine.write(query, randomTensor([6, 8], 3).values as Float32Array<ArrayBuffer>);
    const results: string[] = [];
    for (const validKeys of [8, 16, 24]) {
      const out = engine.ops.gatedAttention({ query, keys, values: [{ tensor: values }], validKeys, scale: 0.3 });
      results.push(new Float32Array(await engine.read(out)).join());
      out.dispose();
    }
    expect(new Set(results).size).toBe(3);
    expect(engine.compiledGraphs).toBe(1);
  });
});

describe('in pages', () => {
  it('says where WebAssembly was looked for in vain', async () => {
    await expect(loadRuntime({ threads: 1, wasmPaths: 'file:///nowhere/' })).rejects.toMatchObject({
      code: 'not-installed',
      message: expect.stringMatching(/ort-wasm.*file:\/\/\/nowhere\//),
    });
  });
});
