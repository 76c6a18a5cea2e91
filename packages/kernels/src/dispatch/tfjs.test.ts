import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import {
  add,
  backend as currentBackend,
  customGrad,
  engine,
  grad,
  memory,
  sum,
  type Tensor,
  tensor,
} from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { initialize, shutdown } from '../initialize.js';
import type { Runtime } from './runtime.js';
import {
  addToTape,
  allocateTensor,
  bufferOf,
  flush,
  invalidateCpuCopy,
  newBufferPool,
  openPass,
  type PrivateBackend,
  type PrivateBufferManager,
  type PrivateTape,
  privateBackend,
  privateTape,
  reclaim,
  tapeIsOn,
  trimPool,
  valuesOnCpu,
} from './tfjs.js';

let runtime: Runtime;
let backend: PrivateBackend;
beforeAll(async () => {
  runtime = await initialize();
  backend = privateBackend(runtime.backend);
});
afterAll(() => shutdown(runtime));

const USAGE = 0x8c; // STORAGE | COPY_SRC | COPY_DST, as tfjs gives the buffers of tensors.

/** Each test takes one field and uses it as dispatch/ does. The types make a new field without a test an error. */
const backendContract: Record<keyof PrivateBackend, (field: string) => Promise<void> | void> = {
  device: (field) => expect(backend.device, field).toBe(runtime.device),
  queue: (field) => expect(backend.queue, field).toBe(runtime.device.queue),
  bufferManager: (field) => {
    const own = backend.bufferManager;
    const pool = newBufferPool(backend);
    backend.bufferManager = pool;
    const t = allocateTensor(backend, [24], 'float32');
    bufferOf(backend, t);
    expect(pool.numBytesUsed, `${field}: a replaced pool serves new tensors`).toBe(96);
    t.dispose();
    expect(pool.numBytesUsed, `${field}: and takes their buffers back`).toBe(0);
    backend.bufferManager = own;
    pool.dispose();
  },
  commandEncoder: (field) => {
    flush(backend);
    expect(backend.commandEncoder, `${field} is null when nothing is recorded`).toBeNull();
    backend.ensureCommandEncoderReady();
    expect(backend.commandEncoder, field).toBeInstanceOf(GPUCommandEncoder);
    flush(backend);
  },
  computePassEncoder: (field) => {
    flush(backend);
    expect(backend.computePassEncoder, `${field} is null when no pass is open`).toBeNull();
    const pass = openPass(backend);
    expect(backend.computePassEncoder, field).toBe(pass);
    backend.endComputePassEncoder();
    expect(backend.computePassEncoder, `${field} is null after endComputePassEncoder`).toBeNull();
    flush(backend);
  },
  commandQueueOwnedIds: (field) => {
    const t = allocateTensor(backend, [8], 'float32');
    const buffer = bufferOf(backend, t);
    openPass(backend);
    backend.commandQueueOwnedIds.add(t.dataId);
    t.dispose();
    expect(backend.tensorMap.get(t.dataId).resource, `${field} delays the release of a disposed tensor`).toBe(buffer);
    flush(backend);
    expect(backend.tensorMap.has(t.dataId), `${field}: submitting releases it`).toBe(false);
  },
  tensorDataPendingDisposal: (field) => {
    flush(backend);
    const t = allocateTensor(backend, [8], 'float32');
    bufferOf(backend, t);
    openPass(backend);
    backend.commandQueueOwnedIds.add(t.dataId);
    t.dispose();
    expect(backend.tensorDataPendingDisposal, `${field} holds what waits for a submit`).toEqual([t.dataId]);
    flush(backend);
    expect(backend.tensorDataPendingDisposal, `${field} is empty after a submit`).toEqual([]);
  },
  dispatchCountInPass: (field) => {
    flush(backend);
    expect(backend.dispatchCountInPass, `${field} is 0 after a submit`).toBe(0);
    const x = tensor(new Float32Array(2048));
    const y = add(x, x);
    expect(backend.dispatchCountInPass, `${field} counts the dispatches of stock operations`).toBe(1);
    flush(backend);
    expect(backend.dispatchCountInPass, field).toBe(0);
    for (const t of [x, y]) t.dispose();
  },
  uniformPendingDisposal: (field) => {
    flush(backend);
    const { buffer } = backend.makeUniforms([{ type: 'int32', data: [1] }]);
    expect(backend.uniformPendingDisposal, `${field} ends with the latest uniforms`).toEqual([buffer]);
    backend.ensureCommandEncoderReady();
    flush(backend);
    expect(backend.uniformPendingDisposal, `${field} is empty after a submit`).toEqual([]);
  },
  makeUniforms: (field) => {
    flush(backend);
    const { buffer } = backend.makeUniforms([{ type: 'int32', data: [7, 8] }]);
    expect(buffer.size, field).toBe(8);
    const made = vi.spyOn(backend, 'makeUniforms');
    const x = tensor(new Float32Array(2048));
    const y = add(x, x);
    expect(made, `${field} is called for every launch`).toHaveBeenCalledTimes(1);
    made.mockRestore();
    flush(backend);
    for (const t of [x, y]) t.dispose();
  },
  releaseResource: (field) => {
    const t = allocateTensor(backend, [9], 'float32');
    bufferOf(backend, t);
    const before = backend.bufferManager.numBytesUsed;
    backend.releaseResource(t.dataId);
    expect(backend.bufferManager.numBytesUsed, field).toBe(before - 36);
    expect(backend.tensorMap.get(t.dataId).resource, field).toBeNull();
    t.dispose();
  },
  tensorMap: (field) => {
    const t = tensor([1, 2, 3]);
    expect(backend.tensorMap.has(t.dataId), field).toBe(true);
    expect(Array.from(backend.tensorMap.get(t.dataId).values!), `${field}: values`).toEqual([1, 2, 3]);
    expect(backend.tensorMap.get(t.dataId).resource ?? null, `${field}: resource before an upload`).toBeNull();
    const buffer = bufferOf(backend, t);
    expect(backend.tensorMap.get(t.dataId).resource, `${field}: resource`).toBe(buffer);
    t.dispose();
    const gone = backend.makeTensorInfo([1], 'float32').dataId;
    expect(backend.tensorMap.delete(gone), field).toBe(true);
    expect(backend.tensorMap.has(gone), field).toBe(false);
  },
  makeTensorInfo: (field) => {
    const info = backend.makeTensorInfo([3, 5], 'int32');
    expect(info, field).toMatchObject({ shape: [3, 5], dtype: 'int32' });
    const before = memory().numTensors;
    const t = engine().makeTensorFromTensorInfo(info);
    expect(memory().numTensors, `${field}: the tensor is counted`).toBe(before + 1);
    t.dispose();
    expect(backend.tensorMap.has(info.dataId), `${field}: and gone when disposed`).toBe(false);
  },
  uploadToGPU: async (field) => {
    const t = tensor([4, 5, 6]);
    backend.uploadToGPU(t.dataId);
    const { resource, values } = backend.tensorMap.get(t.dataId);
    expect(resource, field).toMatchObject({ size: 12, usage: USAGE });
    expect(values, `${field} drops the CPU copy`).toBeNull();
    expect([...(await t.data())], field).toEqual([4, 5, 6]);
    t.dispose();
  },
  ensureCommandEncoderReady: (field) => {
    backend.ensureCommandEncoderReady();
    const encoder = backend.commandEncoder;
    backend.ensureCommandEncoderReady();
    expect(backend.commandEncoder, `${field} keeps an open encoder`).toBe(encoder);
    flush(backend);
  },
  endComputePassEncoder: (field) => {
    flush(backend);
    expect(() => backend.endComputePassEncoder(), `${field} is harmless without a pass`).not.toThrow();
  },
  submitQueue: (field) => {
    backend.ensureCommandEncoderReady();
    const submit = vi.spyOn(backend.queue, 'submit');
    backend.submitQueue();
    expect(submit, field).toHaveBeenCalledTimes(1);
    expect(backend.commandEncoder, `${field} closes the encoder`).toBeNull();
    submit.mockRestore();
  },
  runWebGPUProgram: (field) => {
    const original = backend.runWebGPUProgram;
    const calls = vi.fn(original.bind(backend));
    backend.runWebGPUProgram = calls;
    const x = tensor(new Float32Array(2048));
    const y = add(x, x);
    backend.runWebGPUProgram = original;
    expect(calls, `${field} runs every stock operation`).toHaveBeenCalledTimes(1);
    for (const t of [x, y]) t.dispose();
  },
};

const poolContract: Record<keyof PrivateBufferManager, (pool: PrivateBufferManager, field: string) => void> = {
  acquireBuffer: (pool, field) => {
    expect(pool.acquireBuffer(32, USAGE), field).toMatchObject({ size: 32, usage: USAGE });
  },
  releaseBuffer: (pool, field) => {
    const buffer = pool.acquireBuffer(32, USAGE);
    pool.releaseBuffer(buffer);
    expect(pool.acquireBuffer(32, USAGE), `${field}: a released buffer is used again`).toBe(buffer);
  },
  freeBuffers: (pool, field) => {
    const buffer = pool.acquireBuffer(32, USAGE);
    pool.releaseBuffer(buffer);
    expect([...pool.freeBuffers.values()].flat(), field).toEqual([buffer]);
  },
  numFreeBuffers: (pool, field) => {
    pool.releaseBuffer(pool.acquireBuffer(32, USAGE));
    expect(pool.numFreeBuffers, field).toBe(1);
    trimPool(pool);
    expect(pool.numFreeBuffers, field).toBe(0);
  },
  numBytesUsed: (pool, field) => {
    const buffer = pool.acquireBuffer(32, USAGE);
    expect(pool.numBytesUsed, field).toBe(32);
    pool.releaseBuffer(buffer);
    expect(pool.numBytesUsed, field).toBe(0);
  },
  numBytesAllocated: (pool, field) => {
    pool.releaseBuffer(pool.acquireBuffer(32, USAGE));
    expect(pool.numBytesAllocated, field).toBe(32);
    expect(trimPool(pool), 'bytes freed').toBe(32);
    expect(pool.numBytesAllocated, field).toBe(0);
  },
  dispose: (pool, field) => {
    const free = pool.acquireBuffer(32, USAGE);
    const used = pool.acquireBuffer(64, USAGE);
    pool.releaseBuffer(free);
    const destroyed = [free, used].map((buffer) => vi.spyOn(buffer, 'destroy'));
    pool.dispose();
    for (const destroy of destroyed) expect(destroy, `${field} destroys used and free buffers`).toHaveBeenCalled();
  },
};

describe('private fields of tfjs-backend-webgpu that dispatch/ needs', () => {
  it.each(Object.entries(backendContract))('WebGPUBackend.%s', async (name, check) => {
    expect(name in backend, `WebGPUBackend.${name} exists`).toBe(true);
    await check(`WebGPUBackend.${name}`);
  });

  it.each(Object.entries(poolContract))('BufferManager.%s', (name, check) => {
    const pool = newBufferPool(backend);
    expect(name in pool, `BufferManager.${name} exists`).toBe(true);
    check(pool, `BufferManager.${name}`);
    pool.dispose();
  });

  it('are those of the current backend', () => expect(currentBackend()).toBe(runtime.backend));

  it('reclaim: a buffer of a disposed tensor serves the next one before the submit', () => {
    flush(backend);
    const t = allocateTensor(backend, [77], 'float32');
    const buffer = bufferOf(backend, t);
    openPass(backend);
    backend.commandQueueOwnedIds.add(t.dataId);
    t.dispose();
    reclaim(backend);
    expect(backend.tensorMap.has(t.dataId)).toBe(false);
    const next = allocateTensor(backend, [77], 'float32');
    expect(bufferOf(backend, next)).toBe(buffer);
    next.dispose();
    flush(backend);
  });

  it('valuesOnCpu: until the upload, and of the type that is uploaded', () => {
    const t = tensor([1, 2]);
    expect([...valuesOnCpu(backend, t)!]).toEqual([1, 2]);
    bufferOf(backend, t);
    expect(valuesOnCpu(backend, t)).toBeUndefined();
    const bool = tensor([true, false]);
    expect(valuesOnCpu(backend, bool)).toBeUndefined();
    for (const one of [t, bool]) one.dispose();
  });

  it('values: nulling them makes data() read the GPU again', async () => {
    const t = tensor([1, 2]);
    bufferOf(backend, t);
    expect([...(await t.data())]).toEqual([1, 2]);
    backend.queue.writeBuffer(bufferOf(backend, t), 0, new Float32Array([3, 4]));
    expect([...(await t.data())], 'tfjs returns its CPU copy').toEqual([1, 2]);
    invalidateCpuCopy(backend, t);
    expect([...(await t.data())]).toEqual([3, 4]);
    t.dispose();
  });
});

/** Fields of the tape, inside of a gradient. */
const tapeContract: Record<keyof PrivateTape, (field: string) => void> = {
  gradientDepth: (field) => {
    expect(tapeIsOn(), field).toBe(false);
    grad((x: Tensor) => {
      expect(tapeIsOn(), `${field} is above 0 in a gradient`).toBe(true);
      return sum(x);
    })(tensor(1));
    expect(tapeIsOn(), field).toBe(false);
  },
  kernelDepth: (field) => {
    const own = customGrad((x) => {
      expect(tapeIsOn(), `${field} is above 0 in an operation with a gradient of its own`).toBe(false);
      return { value: sum(x as Tensor), gradFunc: (dy: Tensor) => dy };
    });
    grad((x: Tensor) => own(x))(tensor(1));
  },
  activeTape: (field) => {
    grad((x: Tensor) => {
      const before = privateTape().activeTape!.length;
      const y = sum(x);
      expect(privateTape().activeTape!.length, `${field} grows with every operation`).toBeGreaterThan(before);
      return y;
    })(tensor(1));
  },
  nextTapeNodeId: (field) => {
    const gradient = (): never => {
      throw new RangeError('no gradient');
    };
    const through = (x: Tensor) => {
      const id = privateTape().nextTapeNodeId;
      const y = tensor(1);
      addToTape('test', [x], [y], gradient);
      expect(privateTape().nextTapeNodeId, field).toBeGreaterThan(id);
      return sum(y);
    };
    expect(() => grad(through)(tensor(1)), 'a gradient goes through what was added').toThrow('no gradient');
  },
};

describe.each(Object.entries(tapeContract))('private field of the tape: %s', (field, test) => {
  it('is as it was', () => test(field));
});
