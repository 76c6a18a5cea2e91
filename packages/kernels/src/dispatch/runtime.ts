import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import {
  backend as currentBackend,
  engine,
  getBackend,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import type { AdapterClass, DeviceHandle } from '../device/adapter.js';
import { BindCache } from './bind-cache.js';
import type { Chooser } from './chooser.js';
import type { CapturedGraph, GraphPool, RecordedStep } from './graph.js';
import { Graphs } from './graphs.js';
import { DeviceHealth } from './health.js';
import {
  type Kernel,
  KernelDefinitionError,
  type KernelParams,
  type KernelTensors,
  type KernelUniforms,
  type Program,
  placeOf,
} from './kernel.js';
import { type DispatchTime, Profile } from './profile.js';
import { ReadBack } from './read-back.js';
import { Recorder } from './recorder.js';
import {
  allocateTensor,
  bindBuffer,
  bufferOf,
  flush,
  invalidateCpuCopy,
  type PrivateBackend,
  privateBackend,
  reclaim,
  trimPool,
  valuesOnCpu,
} from './tfjs.js';
import { packUniforms } from './uniforms.js';
import { foldWorkgroups, MAX_WORKGROUPS } from './workgroups.js';

/** From this size on, in bytes, a tensor is the work of a slow GPU for a while. */
const LARGE_TENSOR = 4 * 2 ** 20;

/**
 * What a kernel is launched with. Outputs are tensors that already exist; see `Runtime.allocate`. Launches are recorded quickest
 * where names stand in the order of the WGSL. What is spread into a literal is best spread last: V8 takes up to 7 µs, as long as
 * the launch, where further names follow.
 */
export type Launch = {
  /** Parameters of the template, beside those that the kernel has in every launch. */
  readonly params?: KernelParams;
  readonly tensors: KernelTensors;
  readonly uniforms?: KernelUniforms;
} & (
  | {
      /** Invocations in a row, as many as there is work for. Kernels ignore those beyond. */
      readonly invocations: number;
    }
  | {
      /** Workgroups along each axis; or a flat count, which is folded into two where one axis is too short. */
      readonly workgroups: number | readonly [x: number, y?: number, z?: number];
    }
);

/**
 * Runs kernels on tfjs-webgpu tensors: records into the backend's command stream, so kernels and stock tfjs operations
 * interleave in order.
 */
export class Runtime {
  readonly device: GPUDevice;
  readonly adapterClass: AdapterClass;
  readonly info: GPUAdapterInfo;
  readonly #backend: PrivateBackend;
  readonly #health: DeviceHealth;
  readonly #recorder: Recorder;
  readonly #cache: BindCache;
  readonly #readBack: ReadBack;
  readonly #graphs: Graphs;

  constructor(
    readonly backend: WebGPUBackend,
    { device, adapterClass, info }: DeviceHandle,
    /** Chooses among the kernels of an operation. */
    readonly chooser: Chooser,
  ) {
    this.device = device;
    this.adapterClass = adapterClass;
    this.info = info;
    this.#backend = privateBackend(backend);
    this.#health = new DeviceHealth(device);
    this.#recorder = new Recorder(this.#backend, device);
    this.#cache = new BindCache(device);
    this.#readBack = new ReadBack(device);
    this.#graphs = new Graphs(this.#backend, this.#recorder, this);
  }

  /** Dispatches recorded since the runtime exists, replays included, copies not. Those of tfjs's own count in replays. */
  get dispatchCount(): number {
    return this.#recorder.dispatchCount;
  }

  /**
   * Lets go of the device: it may be destroyed on purpose now, which is then no loss. Done by `shutdown`.
   */
  close(): void {
    this.#health.close();
  }

  /** Whether the device is gone. */
  get lost(): boolean {
    return this.#health.lost;
  }

  /** A new tensor with a GPU buffer and undefined contents. Subject to `tf.tidy` like any other. */
  allocate(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): Tensor {
    this.#health.throwIfLost();
    // Otherwise all the tensors of a batch would exist at once, however soon they are disposed. A slow GPU is better given its
    // work in small portions: what keeps one for seconds, systems take for a hang.
    const slow = this.adapterClass.kind !== 'discrete';
    const large = slow && 4 * util.sizeFromShape(shape as number[]) >= LARGE_TENSOR;
    if (large && this.#backend.tensorDataPendingDisposal.length > 0) flush(this.#backend);
    else reclaim(this.#backend);
    const tensor = allocateTensor(this.#backend, shape, dtype);
    if (tensor.size > 0) bufferOf(this.#backend, tensor);
    return tensor;
  }

  /**
   * Records one launch. Nothing is recorded when there is no workgroup to run.
   * @throws KernelDefinitionError when it is not launched with what its WGSL declares.
   * @throws DeviceLostError when the device is gone.
   */
  launch(kernel: Kernel, launch: Launch): void {
    this.#health.throwIfLost();
    const { tensors, uniforms = {} } = launch;
    const program = kernel.program(launch.params, tensors);
    const [x, y = 1, z = 1] = workgroupsOf(program, launch);
    if (x * y * z === 0) return;
    const packed = packUniforms(program, uniforms);
    const buffers = this.#buffersOf(program, tensors);
    const compiled = this.#cache.compile(program);
    const bindGroup = this.#cache.bindGroup(program, compiled, buffers, packed);
    this.#recorder.record({ name: program.name, pipeline: compiled.pipeline, bindGroup, workgroups: [x, y, z] });
  }

  #buffersOf(program: Program, tensors: KernelTensors): GPUBuffer[] {
    const { bindings, bindingKeys } = program;
    const buffers: GPUBuffer[] = [];
    let given = 0;
    let next = 0;
    for (const key in tensors) {
      const tensor = tensors[key];
      if (tensor === undefined) continue;
      const i = placeOf(program, 'binding', bindingKeys, key, next);
      const { name, access, dtype } = bindings[i]!;
      // Programs in JavaScript give what they like.
      if (!tensor?.dataId) throw new KernelDefinitionError(program.name, name, `wants a tensor, got ${String(tensor)}`);
      if (dtype !== undefined && tensor.dtype !== dtype) {
        throw new KernelDefinitionError(program.name, name, `wants a tensor of ${dtype}, got one of ${tensor.dtype}`);
      }
      // WebGPU binds nothing that is empty, and refuses the whole batch for it.
      if (tensor.shape.includes(0)) {
        throw new KernelDefinitionError(program.name, name, `wants a tensor that is not empty, got [${tensor.shape}]`);
      }
      buffers[i] = bindBuffer(this.#backend, tensor, access === 'write');
      given++;
      next = i + 1;
    }
    if (given === bindings.length) return buffers;
    const missing = bindings.find((_, i) => !tensors[bindingKeys[i]!])!;
    throw new KernelDefinitionError(program.name, missing.name, 'wants a tensor, got none');
  }

  /**
   * Copies whole tensors of equal size and any shape on the GPU, through a copy command. What is on the CPU only is written to the target
   * at once, unless it is being captured.
   */
  copy(source: TensorInfo, target: TensorInfo): void {
    this.#health.throwIfLost();
    const values = this.#recorder.captured ? undefined : valuesOnCpu(this.#backend, source);
    if (values) {
      this.write(target, values as Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>);
      return;
    }
    const from = bufferOf(this.#backend, source);
    const to = bufferOf(this.#backend, target);
    util.assert(from.size === to.size, () => `copy: ${from.size} bytes into ${to.size}`);
    invalidateCpuCopy(this.#backend, target);
    for (const { dataId } of [source, target]) this.#backend.commandQueueOwnedIds.add(dataId);
    this.#recorder.record({ name: 'copy', source: from, target: to, size: from.size });
  }

  /** Submits everything recorded so far. */
  flush(): void {
    flush(this.#backend);
  }

  /**
   * Resolves when the GPU has finished everything recorded so far.
   * @throws KernelError when the GPU refused something, such as an invalid shader or an exhausted memory.
   * @throws DeviceLostError when the device is gone.
   */
  async finish(): Promise<void> {
    this.#health.throwIfLost();
    this.flush();
    await this.#health.orLost(this.device.queue.onSubmittedWorkDone());
    this.throwIfFailed();
  }

  /** Throws the loss of the device or else the first GPU error since the runtime exists, if there was one. */
  throwIfFailed(): void {
    this.#health.throwIfFailed();
  }

  /** Overwrites the contents of a tensor of any shape from the CPU, without a new buffer. For the inputs of captured graphs. */
  write(
    tensor: TensorInfo,
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  ): void {
    this.#health.throwIfLost();
    const buffer = bufferOf(this.#backend, tensor);
    util.assert(values.byteLength === buffer.size, () => `write: ${values.byteLength} bytes into ${buffer.size}`);
    // What is already recorded must see the old contents: writeBuffer takes effect before the next submit.
    this.flush();
    this.device.queue.writeBuffer(buffer, 0, values);
    invalidateCpuCopy(this.#backend, tensor);
  }

  /**
   * Reads the current contents of a tensor of any shape. Unlike tfjs's `data()` it keeps no copy on the CPU, so it is also right for tensors
   * that a captured graph writes again and again.
   * @throws KernelError, DeviceLostError like `finish`.
   */
  async read(tensor: TensorInfo): Promise<ArrayBuffer> {
    this.#health.throwIfLost();
    const source = bufferOf(this.#backend, tensor);
    this.flush();
    return this.#readBack.read(source, async (mapped) => {
      await this.#health.orLost(mapped);
      this.throwIfFailed();
    });
  }

  /** Buffers for several captured graphs to share. */
  graphPool(): GraphPool {
    return this.#graphs.pool();
  }

  /**
   * Runs `build` once, recording its launches, and returns a graph that repeats them with the same buffers. Buffers come
   * from a pool of the graph's own, so nothing else can reuse them; tensors made before the call (weights, inputs, state)
   * are referred to as they are. Operations of tfjs's own are recorded with the rest. What `build` decides on the CPU is
   * decided once, and a tensor that it makes from values is a constant, which has to outlive the graph.
   *
   * @param pool Shared with other graphs; one of the graph's own by default.
   * @throws Error when a tensor made from values was disposed in `build`.
   */
  capture<T>(build: () => T, pool?: GraphPool): CapturedGraph<T> {
    return this.#graphs.capture(build, pool);
  }

  /** Submits the steps of a captured graph, the first few ahead of the others. */
  replay(steps: readonly RecordedStep[]): void {
    this.#health.throwIfLost();
    this.#recorder.replay(steps);
  }

  /**
   * Times every dispatch made by `work` on the GPU, each in a pass of its own.
   * @throws Error when the device lacks `timestamp-query`.
   */
  async profile(work: () => Promise<void> | void): Promise<DispatchTime[]> {
    this.#health.throwIfLost();
    if (!this.device.features.has('timestamp-query')) throw new Error('This device has no timestamp-query.');
    this.flush();
    const profile = new Profile(this.device);
    this.#recorder.profile = profile;
    try {
      await work();
      this.flush();
    } finally {
      this.#recorder.profile = undefined;
    }
    return this.#health.orLost(profile.read());
  }

  /** Bytes of GPU memory: in use by tensors and graphs, and allocated altogether (pooled buffers included). */
  memory(): { usedBytes: number; allocatedBytes: number } {
    const { numBytesUsed, numBytesAllocated } = this.#backend.bufferManager;
    const graphs = this.#graphs.bytes;
    return { usedBytes: numBytesUsed + graphs, allocatedBytes: numBytesAllocated + graphs };
  }

  /** Gives unused buffers back to the device; returns the bytes freed in the pool of tensors. */
  trim(): number {
    this.flush();
    this.#cache.trim();
    this.#readBack.trim();
    return trimPool(this.#backend.bufferManager);
  }
}

/** Workgroups along each axis. */
function workgroupsOf(program: Program, launch: Launch): readonly [x: number, y?: number, z?: number] {
  const given = 'workgroups' in launch ? launch.workgroups : Math.ceil(launch.invocations / program.workgroupSize);
  if (typeof given !== 'number') {
    // WebGPU refuses the whole batch for it.
    if (given.some((count = 1) => count > MAX_WORKGROUPS)) {
      const message = `are ${given.join(' x ')}, more than ${MAX_WORKGROUPS} along an axis: the operands are too large`;
      throw new KernelDefinitionError(program.name, 'workgroups', message);
    }
    return given;
  }
  if (given > MAX_WORKGROUPS && !program.folds) {
    throw new KernelDefinitionError(
      program.name,
      'num_workgroups',
      `is not read, so ${given} workgroups cannot be folded`,
    );
  }
  return foldWorkgroups(given);
}

const runtimes = new WeakMap<object, Runtime>();

/** Ties a runtime to its backend, so that operations find it from the tensors they are given. */
export function registerRuntime(runtime: Runtime): void {
  runtimes.set(runtime.backend, runtime);
}

/** Takes that back. */
export function unregisterRuntime(runtime: Runtime): void {
  if (runtimes.get(runtime.backend) === runtime) runtimes.delete(runtime.backend);
}

/** A kernel was asked for before `initialize`, or after the last `shutdown`. */
export class NoRuntimeError extends Error {
  override readonly name = 'NoRuntimeError';
}

function backendOrNone(): object | undefined {
  try {
    return currentBackend();
  } catch {
    // tfjs has no backend at all.
    return undefined;
  }
}

/** The runtime of the current tfjs backend, where it has one. */
export function findRuntime(): Runtime | undefined {
  const backend = backendOrNone();
  return backend && runtimes.get(backend);
}

/**
 * The runtime of the current tfjs backend.
 * @throws NoRuntimeError when the current backend is neither one of `initialize` nor attached.
 */
export function getRuntime(): Runtime {
  const runtime = findRuntime();
  if (runtime) return runtime;
  const [open] = Object.entries(engine().registry).find(([, backend]) => runtimes.has(backend)) ?? [];
  if (open) {
    throw new NoRuntimeError(
      `The GPU that is open is tfjs's backend "${open}", and the current one is "${getBackend()}": \`await setBackend('${open}')\` first.`,
    );
  }
  throw new NoRuntimeError(
    'No GPU is open for kernels: `await initialize()` of @samtrack/kernels first, or `await attach(backend())` where tfjs runs on WebGPU already.',
  );
}

/** Operations as another machine than a GPU has them, by their names. */
export type EngineOps = Readonly<Record<string, ((...args: never[]) => unknown) | undefined>>;

const engineOps = new WeakMap<object, EngineOps>();

/** Ties them to the backend of that machine: operations that are called while it is the current one are theirs. */
export function registerEngineOps(backend: object, operations: EngineOps): void {
  engineOps.set(backend, operations);
}

/** Those of the current tfjs backend, where it has some. */
export function currentEngineOps(): EngineOps | undefined {
  const backend = backendOrNone();
  return backend && engineOps.get(backend);
}
