import type { KernelBackend, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { registerEngineOps } from './dispatch/runtime.js';
import type { FrameOps, OpSet } from './ops/op-set.js';

/** The machines that networks run on: a GPU with the kernels of this package, or the CPU with ONNX Runtime. */
export type EngineKind = 'webgpu' | 'cpu';

/** What was captured of a function: replaying it does to the same tensors what the function did, with their new contents. */
export interface Captured<T> {
  /** What the function returned; overwritten by every replay. */
  readonly result: T;
  /** Bytes that the capture holds for itself. */
  readonly bytes: number;
  /** Does it once more. */
  replay(): void;
  /** Frees them. The tensors of `result` are unusable afterwards. */
  dispose(): void;
}

/** Memory that several captures share: one overwrites what another left there, results excepted. */
export interface CapturePool {
  readonly bytes: number;
  dispose(): void;
}

/**
 * Where tensors live and networks run. Work is recorded in order and done later; reading waits for it. Models know nothing
 * else of the machine, so that another one is another implementation of this interface.
 */
export interface Engine {
  readonly kind: EngineKind;
  /** For people: the adapter's name, or the processor's. */
  readonly device: string;
  readonly ops: OpSet;
  /** Whether it pays to capture what recurs, in spite of the memory that a capture holds. */
  readonly replays: boolean;
  /** Whether memory that models could keep for later is dear: of the CPU's own, or shared with it. */
  readonly sharesMemory: boolean;
  /** Largest tensor, in bytes. */
  readonly maxTensorBytes: number;

  /** A new tensor with undefined contents that `write`, `copy` and in-place operations may change. */
  allocate(shape: readonly number[], dtype?: 'float32' | 'int32'): Tensor;
  /** Overwrites an allocated tensor. The values may be changed afterwards. */
  write(
    tensor: TensorInfo,
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  ): void;
  /** Copies a whole tensor into one of the same size. */
  copy(source: TensorInfo, target: TensorInfo): void;
  /** The contents after everything recorded so far. */
  read(tensor: TensorInfo): Promise<ArrayBuffer>;
  /**
   * Runs a function and returns what repeats it. Tensors that existed before are referred to as they are; what the function
   * decides on the CPU is decided once, and tensors that it makes from values are constants.
   * @param pool Of this engine, for captures that share memory; memory of its own by default.
   */
  capture<T>(build: () => T, pool?: CapturePool): Captured<T>;
  /** Memory for several captures to share. */
  capturePool(): CapturePool;
  /**
   * Submits what is recorded so far. In a captured function it also separates stages: an engine that compiles what it
   * captures compiles each stage for itself, once for all captures that have it.
   */
  flush(): void;
  /** Resolves when everything recorded is done. @throws the first error that it met */
  finish(): Promise<void>;
  /** Throws the first error that the engine met, if there was one. */
  throwIfFailed(): void;
  /** Gives unused memory back. */
  trim(): void;
  /** Bytes in use by tensors and captures, and allocated altogether. */
  memory(): { usedBytes: number; allocatedBytes: number };
}

const engines = new WeakMap<object, Engine>();

/**
 * Ties an engine to its tfjs backend.
 * @param frameOps What happens around networks: programs call these operations by themselves, and get the engine's own.
 */
export function registerEngine(backend: KernelBackend, engine: Engine, frameOps: FrameOps): void {
  engines.set(backend, engine);
  const named = Object.entries(frameOps).map(([key, op]) => [key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`), op]);
  registerEngineOps(backend, Object.fromEntries(named));
}

/** The engine that a tfjs backend was tied to. */
export const engineOf = (backend: object): Engine | undefined => engines.get(backend);
