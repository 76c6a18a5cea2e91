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

describe('several users', () => {
  const product = async () => {
    const out = engine.ops.gemm(tensor([[1, 2]]), tensor([[3], [4]]));
    return [...new Float32Array(await engine.read(out))];
  };

  it('share the engine, until the last is done', async () => {
    const kept = tensor([[1, 2]]);
    const others = await Promise.all([initializeCpu(), initializeCpu({ threads: engine.threads })]);
    expect(others).toEqual([engine, engine]);
    for (const other of others) await shutdownCpu(other);
    expect([...(await kept.data())]).toEqual([1, 2]);
    expect(await product()).toEqual([11]);
    await shutdownCpu(engine);
    await shutdownCpu(engine);
    const next = await initializeCpu();
    expect(next).not.toBe(engine);
    // Whose users that one has not.
    await shutdownCpu(engine);
    engine = next;
    expect(await product()).toEqual([11]);
  });

  it('are refused what it is not', async () => {
    const threads = engine.threads + 1;
    await expect(initializeCpu({ threads })).rejects.toMatchObject({
      name: 'OnnxEngineError',
      code: 'in-use',
      message: expect.stringMatching(/`threads` \d+, and cannot have \d+/),
    });
    await expect(initializeCpu({ cache: false })).rejects.toMatchObject({ code: 'in-use' });
    expect(await product()).toEqual([11]);
  });

  it('get another one after a failure', async () => {
    const x = engine.ops.gemm(engine.allocate([2, 3]), tensor(randomTensor([4, 5]).values, [4, 5]));
    await expect(engine.read(x)).rejects.toMatchObject({ code: 'refused' });
    const failed = engine;
    engine = await initializeCpu();
    expect(await product()).toEqual([11]);
    await shutdownCpu(failed);
    expect(await product()).toEqual([11]);
  });
});

it.each([
  [{ threads: 0 }, /`threads`.*at least 1, not 0/],
  [{ threads: 1.5 }, /`threads`.*not 1.5/],
  [{ threads: '2' }, /`threads`.*not "2"/],
  [{ threads: Number.NaN }, /`threads`.*not NaN/],
  [{ thread: 2 }, /of `threads`, `wasmPaths` and `cache`, not "thread"/],
  [{ wasmPaths: '' }, /`wasmPaths`/],
  [{ cache: true }, /`cache`.*not true/],
  [{ cache: '/tmp' }, /`cache`.*not "\/tmp"/],
  [{ cache: { folder: '' } }, /`cache.folder`/],
  [{ cache: { limitMB: -1 } }, /`cache.limitMB`.*not -1/],
  [null, /an object, not null/],
])('the option %j is refused, by its name', async (options, message) => {
  await expect(initializeCpu(options as never)).rejects.toMatchObject({
    name: 'OnnxEngineError',
    code: 'bad-option',
    message: expect.stringMatching(message),
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
