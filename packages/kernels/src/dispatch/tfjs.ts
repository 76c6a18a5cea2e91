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
  /** Uniform buffers of tfjs's own launches, which wait for the submit too. */
  uniformPendingDisposal: GPUBuffer[];
  tensorMap: { get(id: object): PrivateTensorData; has(id: object): boolean; delete(id: object): boolean };
  makeTensorInfo(shape: number[], dtype: DataType): TensorInfo;
  uploadToGPU(id: object): void;
  /** Gives the buffer of a tensor's data back to the pool. */
  releaseResource(id: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  makeUniforms(values: unknown): { buffer: GPUBuffer };
  runWebGPUProgram(program: unknown, inputs: TensorInfo[], ...rest: unknown[]): TensorInfo;
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

/** The GPU buffer of a tensor, uploading it first if tfjs still keeps it on the CPU. */
export function bufferOf(backend: PrivateBackend, tensor: TensorInfo): GPUBuffer {
  const data = backend.tensorMap.get(tensor.dataId);
  if (data.resource) return data.resource;
  backend.uploadToGPU(tensor.dataId);
  return backend.tensorMap.get(tensor.dataId).resource!;
}

/**
 * The GPU buffer of a tensor that a launch reads or writes: the backend keeps it until the launch is submitted, and forgets the
 * CPU copy of what is written.
 */
export function bindBuffer(backend: PrivateBackend, { dataId }: TensorInfo, written: boolean): GPUBuffer {
  let data = backend.tensorMap.get(dataId);
  if (!data.resource) {
    backend.uploadToGPU(dataId);
    data = backend.tensorMap.get(dataId);
  }
  backend.commandQueueOwnedIds.add(dataId);
  if (written) data.values = null;
  return data.resource!;
}

/** The values of a tensor that has no GPU buffer yet, as they would be uploaded; nothing when it has one, or no values. */
export function valuesOnCpu(backend: PrivateBackend, tensor: TensorInfo): Float32Array | Int32Array | undefined {
  const { resource, values } = backend.tensorMap.get(tensor.dataId);
  if (resource) return undefined;
  const fits = tensor.dtype === 'float32' ? values instanceof Float32Array : values instanceof Int32Array;
  return fits ? (values as Float32Array | Int32Array) : undefined;
}

/**
 * Gives back the buffers of disposed tensors before the commands that use them are submitted. Commands are run in the order in
 * which they are recorded, so a later one may write where an earlier one reads; and nothing writes to such buffers out of
 * that order, since tfjs uploads to a used buffer by a copy command, and `Runtime.write` submits first.
 */
export function reclaim(backend: PrivateBackend): void {
  const pending = backend.tensorDataPendingDisposal;
  if (pending.length === 0) return;
  backend.tensorDataPendingDisposal = [];
  for (const id of pending) {
    backend.releaseResource(id);
    backend.tensorMap.delete(id);
  }
}

/** A new, uninitialised tensor with a GPU buffer, tracked by tfjs's tidy scopes. */
export function allocateTensor(backend: PrivateBackend, shape: readonly number[], dtype: 'float32' | 'int32'): Tensor {
  return engine().makeTensorFromTensorInfo(backend.makeTensorInfo([...shape], dtype)) as Tensor;
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

/** The fields of tfjs's engine that gradients are computed with. */
export interface PrivateTape {
  /** How many calls of `tf.grad` and the like are under way, and how many of operations. */
  gradientDepth: number;
  kernelDepth: number;
  activeTape?: TapeNode[];
  nextTapeNodeId: number;
}

interface TapeNode {
  id: number;
  kernelName: string;
  inputs: Record<string, Tensor>;
  outputs: Tensor[];
  saved: Tensor[];
  gradient(): never;
}

/** What tfjs remembers of operations, to compute their gradients. */
export const privateTape = (): PrivateTape => engine().state as unknown as PrivateTape;

/** Whether operations are remembered: a gradient is being computed, and not by `tf.customGrad`. */
export function tapeIsOn(): boolean {
  const { gradientDepth, kernelDepth } = privateTape();
  return gradientDepth > 0 && kernelDepth === 0;
}

/** Remembers an operation, and what to do when a gradient would go through it. */
export function addToTape(
  kernelName: string,
  inputs: readonly Tensor[],
  outputs: Tensor[],
  gradient: () => never,
): void {
  const tape = privateTape();
  const own = inputs.filter((input) => !outputs.includes(input)).map((input, i) => [String(i), input]);
  tape.activeTape?.push({
    id: tape.nextTapeNodeId++,
    kernelName,
    inputs: Object.fromEntries(own),
    outputs,
    saved: [],
    gradient,
  });
}
