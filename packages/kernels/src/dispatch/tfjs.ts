import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { type DataType, engine, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';

/**
 * The private fields of tfjs-backend-webgpu 4.22 that recording into its command stream needs. This module is the only
 * one that touches them, and `tfjs.test.ts` holds a contract test for each.
 */
export interface PrivateBackend {
  device: GPUDevice;
  queue: GPUQueue;
  bufferManager: PrivateBufferManager;
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  commandQueueOwnedIds: WeakSet<object>;
  dispatchCountInPass: number;
  /** Disposed tensors whose buffers come back when what uses them is submitted. */
  tensorDataPendingDisposal: object[];
  tensorMap: { get(id: object): PrivateTensorData; has(id: object): boolean };
  makeTensorInfo(shape: number[], dtype: DataType): TensorInfo;
  uploadToGPU(id: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  runWebGPUProgram(...args: unknown[]): TensorInfo;
}

interface PrivateTensorData {
  resource?: GPUBuffer | null;
  values?: ArrayLike<number> | null;
}

/** tfjs's pool of GPU buffers: exact-size free lists. */
export interface PrivateBufferManager {
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GPUBuffer;
  releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
  freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
  dispose(): void;
}

export const privateBackend = (backend: WebGPUBackend): PrivateBackend => backend as unknown as PrivateBackend;

/**
 * The GPU buffer of a tensor, uploading it first if tfjs still keeps it on the CPU.
 * @param uploadPool Where the buffer of an upload comes from, if not from the backend's current pool.
 */
export function bufferOf(backend: PrivateBackend, tensor: TensorInfo, uploadPool = backend.bufferManager): GPUBuffer {
  const data = backend.tensorMap.get(tensor.dataId);
  if (data.resource) return data.resource;
  const current = backend.bufferManager;
  if (data.values) backend.bufferManager = uploadPool;
  backend.uploadToGPU(tensor.dataId);
  // The staging buffer of an upload goes back where it came from only once it is submitted.
  if (backend.bufferManager !== current) flush(backend);
  backend.bufferManager = current;
  return backend.tensorMap.get(tensor.dataId).resource!;
}

/** A new, uninitialised tensor with a GPU buffer, tracked by tfjs's tidy scopes. */
export function allocateTensor(backend: PrivateBackend, shape: number[], dtype: 'float32' | 'int32'): Tensor {
  return engine().makeTensorFromTensorInfo(backend.makeTensorInfo(shape, dtype)) as Tensor;
}

/** Makes tfjs forget the CPU copy of a tensor that a kernel has just written in place. */
export function invalidateCpuCopy(backend: PrivateBackend, tensor: TensorInfo): void {
  backend.tensorMap.get(tensor.dataId).values = null;
}

/** The open compute pass of the backend, opened if need be. */
export function openPass(backend: PrivateBackend): GPUComputePassEncoder {
  backend.ensureCommandEncoderReady();
  backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass();
  return backend.computePassEncoder;
}

/** Ends the pass and submits what is recorded, if anything is. */
export function flush(backend: PrivateBackend): void {
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
}

/** A fresh, empty buffer pool of the backend's own class. */
export function newBufferPool(backend: PrivateBackend): PrivateBufferManager {
  const Pool = backend.bufferManager.constructor as new (device: GPUDevice) => PrivateBufferManager;
  return new Pool(backend.device);
}

/** Destroys the pooled buffers that no tensor uses; tfjs itself never gives any back. Returns the bytes freed. */
export function trimPool(pool: PrivateBufferManager): number {
  let bytes = 0;
  for (const buffers of pool.freeBuffers.values()) {
    for (const buffer of buffers) {
      bytes += buffer.size;
      buffer.destroy();
    }
    buffers.length = 0;
  }
  pool.numFreeBuffers = 0;
  pool.numBytesAllocated -= bytes;
  return bytes;
}
