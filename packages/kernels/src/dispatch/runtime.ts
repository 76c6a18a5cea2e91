import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import {
  backend as currentBackend,
  dispose,
  keep,
  type Tensor,
  type TensorContainer,
  type TensorInfo,
  tensor_util,
  tidy,
  util,
} from '@tensorflow/tfjs-core';
import type { AdapterClass, DeviceHandle } from '../device/adapter.js';
import { adapterIdentity } from '../tuning/table.js';
import { Tuning } from '../tuning/tuning.js';
import { Capture } from './capture.js';
import { CapturedGraph, GraphPool, type RecordedStep } from './graph.js';
import { type DispatchTime, Profile } from './profile.js';
import { type Program, packUniforms, type UniformValue } from './program.js';
import {
  allocateTensor,
  bufferOf,
  flush,
  invalidateCpuCopy,
  newBufferPool,
  openPass,
  type PrivateBackend,
  type PrivateBufferManager,
  privateBackend,
  reclaim,
  trimPool,
  valuesOnCpu,
} from './tfjs.js';

/** The GPU refused a command: an invalid shader, a binding over the limits, or no memory left. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
}

/**
 * The device is gone: the driver crashed or was reset, the GPU was unplugged, or somebody destroyed the device. Every tensor
 * is lost with it; `initialize` makes a new runtime.
 */
export class DeviceLostError extends Error {
  override readonly name = 'DeviceLostError';
  constructor(
    readonly reason: GPUDeviceLostReason,
    message: string,
  ) {
    super(`The GPU device was lost (${reason}): ${message}`);
  }
}

/** Dispatches recorded before the command buffer is submitted; long batches cost latency, short ones CPU time. */
const BATCH = 48;
/**
 * Steps of a replay that are submitted first, and then at a time: the GPU begins while the rest is encoded, and no submit
 * keeps it for seconds.
 */
const FIRST_STEPS = 24;
const STEPS = 96;
/** From this size on, in bytes, a tensor is the work of a slow GPU for a while. */
const LARGE_TENSOR = 4 * 2 ** 20;
/** Bind groups kept; a frame of the largest model uses about 600. */
const MAX_BIND_GROUPS = 8192;
/** Sizes of read-back buffers kept; a frame of tracking reads one or two. */
const MAX_STAGING_SIZES = 32;
/** Uniform buffers kept; a growing memory makes a few new ones a frame. */
const MAX_UNIFORM_BUFFERS = 4096;

/** One launch of a kernel. Outputs are tensors that already exist; see `Runtime.allocate`. */
export interface Launch {
  program: Program;
  /** Tensors at the `read` bindings, in order. */
  inputs: readonly TensorInfo[];
  /** Tensors at the `write` bindings, in order. */
  outputs: readonly TensorInfo[];
  uniforms?: readonly UniformValue[];
  /** Number of workgroups; a flat count above the device's limit is folded, see `foldWorkgroups`. */
  workgroups: readonly [number, number?, number?];
}

interface CompiledProgram {
  id: number;
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
}

/**
 * Runs programs on tfjs-webgpu tensors: records into the backend's command stream, so kernels and stock tfjs operations
 * interleave in order, and keeps the caches that make a dispatch cheap (pipelines, uniform buffers, bind groups).
 */
export class Runtime {
  readonly device: GPUDevice;
  readonly adapterClass: AdapterClass;
  readonly info: GPUAdapterInfo;
  /** Chooses among the kernels of an operation. */
  readonly tuning: Tuning;
  /** Dispatches recorded since the runtime exists, replays included, copies not. Those of tfjs's own count in replays. */
  dispatchCount = 0;

  readonly #backend: PrivateBackend;
  readonly #compiled = new Map<Program, CompiledProgram>();
  readonly #uniformBuffers = new Map<string, { id: number; buffer: GPUBuffer }>();
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #bufferIds = new WeakMap<GPUBuffer, number>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  readonly #graphPools = new Set<PrivateBufferManager>();
  #nextId = 1;
  #capture: Capture | undefined;
  #profile: Profile | undefined;
  #failure: KernelError | undefined;
  #lost: DeviceLostError | undefined;
  #closed = false;
  /** Rejects what waits for the GPU. A lost device may leave it pending for ever. */
  readonly #waiting = new Set<(error: DeviceLostError) => void>();

  constructor(
    readonly backend: WebGPUBackend,
    handle: DeviceHandle,
  ) {
    this.device = handle.device;
    this.adapterClass = handle.adapterClass;
    this.info = handle.info;
    this.tuning = new Tuning(adapterIdentity(handle.info, handle.adapterClass), handle.adapterClass);
    this.#backend = privateBackend(backend);
    // One invalid pipeline voids its whole batch and every error after it is a consequence: only the first one counts.
    this.device.onuncapturederror = ({ error }) => {
      this.#failure ??= new KernelError(error.message);
    };
    this.device.lost.then(({ reason, message }) => {
      if (this.#closed) return;
      this.#lost = new DeviceLostError(reason, message);
      for (const reject of this.#waiting) reject(this.#lost);
    });
  }

  /** Announces that the device is about to be destroyed on purpose, which is then no loss. Done by `shutdown`. */
  close(): void {
    this.#closed = true;
  }

  /** A new tensor with a GPU buffer and undefined contents. Subject to `tf.tidy` like any other. */
  allocate(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): Tensor {
    this.#throwIfLost();
    // Otherwise all the tensors of a batch would exist at once, however soon they are disposed. A slow GPU is better given its
    // work in small portions: what keeps one for seconds, systems take for a hang.
    const large = 4 * util.sizeFromShape([...shape]) >= LARGE_TENSOR;
    const slow = this.adapterClass.kind !== 'discrete';
    if (large && slow && this.#backend.tensorDataPendingDisposal.length > 0) flush(this.#backend);
    else reclaim(this.#backend);
    const tensor = allocateTensor(this.#backend, [...shape], dtype);
    if (tensor.size > 0) bufferOf(this.#backend, tensor);
    return tensor;
  }

  /**
   * Records one launch. Nothing is recorded when there is no workgroup to run.
   * @throws DeviceLostError when the device is gone.
   */
  launch({ program, inputs, outputs, uniforms = [], workgroups }: Launch): void {
    this.#throwIfLost();
    const [x, y = 1, z = 1] = workgroups;
    if (x * y * z === 0) return;
    const backend = this.#backend;
    const compiled = this.#compile(program);
    const buffers: GPUBuffer[] = [];
    let nextInput = 0;
    let nextOutput = 0;
    for (const access of program.buffers) {
      const tensor = access === 'read' ? inputs[nextInput++] : outputs[nextOutput++];
      if (!tensor) throw new Error(`${program.name} wants ${program.buffers.length} buffers, got ${buffers.length}`);
      buffers.push(this.#bufferOf(tensor));
      backend.commandQueueOwnedIds.add(tensor.dataId);
    }
    for (const output of outputs) invalidateCpuCopy(backend, output);
    const bindGroup = this.#bindGroup(compiled, buffers, program.hasUniforms ? packUniforms(uniforms) : undefined);
    const step: RecordedStep = { name: program.name, pipeline: compiled.pipeline, bindGroup, workgroups: [x, y, z] };
    this.#capture?.steps.push(step);
    this.#record(step);
  }

  /**
   * Copies whole tensors of equal size on the GPU, through a copy command. What is on the CPU only is written to the target
   * at once, unless it is being captured.
   */
  copy(source: TensorInfo, target: TensorInfo): void {
    this.#throwIfLost();
    const values = this.#capture ? undefined : valuesOnCpu(this.#backend, source);
    if (values) {
      this.write(target, values as Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>);
      return;
    }
    const from = this.#bufferOf(source);
    const to = this.#bufferOf(target);
    util.assert(from.size === to.size, () => `copy: ${from.size} bytes into ${to.size}`);
    invalidateCpuCopy(this.#backend, target);
    const step: RecordedStep = { name: 'copy', source: from, target: to, size: from.size };
    for (const { dataId } of [source, target]) this.#backend.commandQueueOwnedIds.add(dataId);
    this.#capture?.steps.push(step);
    this.#record(step);
  }

  #bufferOf(tensor: TensorInfo): GPUBuffer {
    return bufferOf(this.#backend, tensor);
  }

  #record(step: RecordedStep): void {
    const backend = this.#backend;
    if ('source' in step) {
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      backend.commandEncoder!.copyBufferToBuffer(step.source, 0, step.target, 0, step.size);
    } else if (this.#profile) {
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      const pass = backend.commandEncoder!.beginComputePass(this.#profile.next(step.name));
      encodeStep(pass, step);
      pass.end();
    } else {
      encodeStep(openPass(backend), step);
    }
    if (!('source' in step)) this.dispatchCount++;
    if (++backend.dispatchCountInPass >= BATCH) flush(backend);
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
    this.#throwIfLost();
    this.flush();
    await this.#orLost(this.device.queue.onSubmittedWorkDone());
    this.throwIfFailed();
  }

  /** Throws the loss of the device or else the first GPU error since the runtime exists, if there was one. */
  throwIfFailed(): void {
    this.#throwIfLost();
    if (this.#failure) throw this.#failure;
  }

  #throwIfLost(): void {
    if (this.#lost) throw this.#lost;
  }

  /** Settles like `work`, but rejects with DeviceLostError once the device is gone. */
  async #orLost<T>(work: Promise<T>): Promise<T> {
    let reject: (error: DeviceLostError) => void = () => {};
    const lost = new Promise<never>((_, no) => {
      reject = no;
    });
    this.#waiting.add(reject);
    try {
      return await Promise.race([work, lost]);
    } catch (error) {
      // Work of a lost device may fail just before the loss itself is announced.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#throwIfLost();
      throw error;
    } finally {
      this.#waiting.delete(reject);
    }
  }

  /** Overwrites a tensor's contents from the CPU, without a new buffer. For the inputs of captured graphs. */
  write(
    tensor: TensorInfo,
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  ): void {
    this.#throwIfLost();
    const buffer = this.#bufferOf(tensor);
    util.assert(values.byteLength === buffer.size, () => `write: ${values.byteLength} bytes into ${buffer.size}`);
    // What is already recorded must see the old contents: writeBuffer takes effect before the next submit.
    this.flush();
    this.device.queue.writeBuffer(buffer, 0, values);
    invalidateCpuCopy(this.#backend, tensor);
  }

  /**
   * Reads a tensor's current contents. Unlike tfjs's `data()` it keeps no copy on the CPU, so it is also right for tensors
   * that a captured graph writes again and again.
   * @throws KernelError, DeviceLostError like `finish`.
   */
  async read(tensor: TensorInfo): Promise<ArrayBuffer> {
    this.#throwIfLost();
    const source = this.#bufferOf(tensor);
    this.flush();
    const staging =
      this.#staging.get(source.size)?.pop() ??
      this.device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
    this.device.queue.submit([encoder.finish()]);
    await this.#orLost(staging.mapAsync(GPUMapMode.READ));
    this.throwIfFailed();
    const copy = staging.getMappedRange().slice(0);
    staging.unmap();
    this.#keepStaging(staging);
    return copy;
  }

  /** Keeps a read-back buffer for the next read of its size; of many sizes, those read longest ago are destroyed. */
  #keepStaging(buffer: GPUBuffer): void {
    const idle = this.#staging.get(buffer.size) ?? [];
    this.#staging.delete(buffer.size);
    this.#staging.set(buffer.size, [...idle, buffer]);
    if (this.#staging.size > MAX_STAGING_SIZES) this.#destroyStaging(this.#staging.keys().next().value!);
  }

  #destroyStaging(size: number): void {
    for (const buffer of this.#staging.get(size) ?? []) buffer.destroy();
    this.#staging.delete(size);
  }

  /** Buffers for several captured graphs to share. */
  graphPool(): GraphPool {
    const buffers = newBufferPool(this.#backend);
    this.#graphPools.add(buffers);
    return new GraphPool(buffers, () => this.#graphPools.delete(buffers));
  }

  /**
   * Runs `build` once, recording its launches, and returns a graph that repeats them with the same buffers. Buffers come
   * from a pool of the graph's own, so nothing else can reuse them; tensors made before the call (weights, inputs, state)
   * are referred to as they are. Operations of tfjs's own are recorded with the rest. What `build` decides on the CPU is
   * decided once, and a tensor that it makes from values is a constant, which has to outlive the graph.
   *
   * @param reuse A graph that this one replaces: it is disposed, and its buffers are used again. Or a pool to share.
   * @throws Error when a tensor made from values was disposed in `build`.
   */
  capture<T>(build: () => T, reuse?: CapturedGraph<unknown> | GraphPool): CapturedGraph<T> {
    if (this.#capture) throw new Error('A graph is already being captured.');
    const backend = this.#backend;
    const shared = reuse instanceof GraphPool;
    flush(backend);
    const pool = shared ? reuse.buffers : (reuse?.surrenderPool() ?? newBufferPool(backend));
    const capture = new Capture(backend, pool);
    this.#capture = capture;
    const within = (work: () => void) => {
      const current = backend.bufferManager;
      backend.bufferManager = pool;
      work();
      flush(backend);
      for (const buffer of capture.uniforms) pool.releaseBuffer(buffer);
      backend.bufferManager = current;
    };
    let result: T | undefined;
    try {
      result = tidy(build as () => TensorContainer) as T;
      keepAll(result);
      this.#capture = undefined;
      if (!capture.stop()) throw new Error('A tensor made from values was disposed in a captured graph that reads it.');
    } catch (error) {
      if (this.#capture) capture.stop();
      this.#capture = undefined;
      within(() => dispose((result ?? []) as TensorContainer));
      if (!shared) pool.dispose();
      throw error;
    }
    this.#graphPools.add(pool);
    const release = () => {
      flush(backend);
      // The result's buffers must go back to the graph's own pool.
      within(() => dispose(result as TensorContainer));
      if (!shared) this.#graphPools.delete(pool);
    };
    return new CapturedGraph(result, capture.steps, pool, this, release, !shared);
  }

  /** Submits the steps of a captured graph, the first few ahead of the others. */
  replay(steps: readonly RecordedStep[]): void {
    this.#throwIfLost();
    flush(this.#backend);
    if (this.#profile) {
      for (const step of steps) this.#record(step);
      flush(this.#backend);
      return;
    }
    for (let first = 0, last = FIRST_STEPS; first < steps.length; first = last, last += STEPS) {
      // A rest of a few steps is not worth a submit.
      if (steps.length - last < FIRST_STEPS) last = steps.length;
      this.device.queue.submit([this.#encode(steps, first, Math.min(last, steps.length))]);
    }
  }

  #encode(steps: readonly RecordedStep[], first: number, last: number): GPUCommandBuffer {
    const encoder = this.device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    let pipeline: GPUComputePipeline | undefined;
    for (let i = first; i < last; i++) {
      const step = steps[i]!;
      if ('source' in step) {
        pass?.end();
        pass = undefined;
        pipeline = undefined;
        encoder.copyBufferToBuffer(step.source, 0, step.target, 0, step.size);
        continue;
      }
      pass ??= encoder.beginComputePass();
      if (step.pipeline !== pipeline) pass.setPipeline((pipeline = step.pipeline));
      pass.setBindGroup(0, step.bindGroup);
      pass.dispatchWorkgroups(...step.workgroups);
      this.dispatchCount++;
    }
    pass?.end();
    return encoder.finish();
  }

  /**
   * Times every dispatch made by `work` on the GPU, each in a pass of its own.
   * @throws Error when the device lacks `timestamp-query`.
   */
  async profile(work: () => Promise<void> | void): Promise<DispatchTime[]> {
    this.#throwIfLost();
    if (!this.device.features.has('timestamp-query')) throw new Error('This device has no timestamp-query.');
    this.flush();
    const profile = new Profile(this.device);
    this.#profile = profile;
    try {
      await work();
      this.flush();
    } finally {
      this.#profile = undefined;
    }
    return this.#orLost(profile.read());
  }

  /** Bytes of GPU memory: in use by tensors and graphs, and allocated altogether (pooled buffers included). */
  memory(): { usedBytes: number; allocatedBytes: number } {
    let { numBytesUsed: usedBytes, numBytesAllocated: allocatedBytes } = this.#backend.bufferManager;
    for (const pool of this.#graphPools) {
      usedBytes += pool.numBytesAllocated;
      allocatedBytes += pool.numBytesAllocated;
    }
    return { usedBytes, allocatedBytes };
  }

  /** Gives unused buffers back to the device; returns the bytes freed in the pool of tensors. */
  trim(): number {
    this.flush();
    this.#bindGroups.clear();
    for (const size of [...this.#staging.keys()]) this.#destroyStaging(size);
    return trimPool(this.#backend.bufferManager);
  }

  #compile(program: Program): CompiledProgram {
    const known = this.#compiled.get(program);
    if (known) return known;
    const entries: GPUBindGroupLayoutEntry[] = program.buffers.map((access, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }));
    if (program.hasUniforms) {
      entries.push({ binding: entries.length, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } });
    }
    const layout = this.device.createBindGroupLayout({ label: program.name, entries });
    const pipeline = this.device.createComputePipeline({
      label: program.name,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: this.device.createShaderModule({ label: program.key, code: program.wgsl }),
        entryPoint: 'main',
      },
    });
    const compiled = { id: this.#nextId++, pipeline, layout };
    this.#compiled.set(program, compiled);
    return compiled;
  }

  #bindGroup(compiled: CompiledProgram, buffers: readonly GPUBuffer[], uniforms: Uint32Array<ArrayBuffer> | undefined) {
    let key = String(compiled.id);
    for (const buffer of buffers) {
      let id = this.#bufferIds.get(buffer);
      if (id === undefined) this.#bufferIds.set(buffer, (id = this.#nextId++));
      key += `,${id}`;
    }
    const uniform = uniforms && this.#uniformBuffer(uniforms);
    if (uniform) key += `,${uniform.id}`;
    const known = this.#bindGroups.get(key);
    if (known) return known;
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    if (uniform) entries.push({ binding: entries.length, resource: { buffer: uniform.buffer } });
    const bindGroup = this.device.createBindGroup({ layout: compiled.layout, entries });
    if (this.#bindGroups.size >= MAX_BIND_GROUPS) this.#bindGroups.delete(this.#bindGroups.keys().next().value!);
    this.#bindGroups.set(key, bindGroup);
    return bindGroup;
  }

  /** Uniform buffers are immutable and shared by content: the same shapes recur every frame. */
  #uniformBuffer(words: Uint32Array<ArrayBuffer>) {
    const key = words.join(',');
    const known = this.#uniformBuffers.get(key);
    if (known) return known;
    const buffer = this.device.createBuffer({
      size: words.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, words);
    const uniform = { id: this.#nextId++, buffer };
    // Not destroyed: captured graphs may use it. Bind groups keep it alive as long as they need it.
    if (this.#uniformBuffers.size >= MAX_UNIFORM_BUFFERS) {
      this.#uniformBuffers.delete(this.#uniformBuffers.keys().next().value!);
    }
    this.#uniformBuffers.set(key, uniform);
    return uniform;
  }
}

/** Keeps every tensor of a captured graph's result out of enclosing tidy scopes. */
function keepAll(result: unknown): void {
  for (const tensor of tensor_util.getTensorsInContainer(result as TensorContainer)) keep(tensor);
}

function encodeStep(pass: GPUComputePassEncoder, step: Extract<RecordedStep, { pipeline: unknown }>): void {
  pass.setPipeline(step.pipeline);
  pass.setBindGroup(0, step.bindGroup);
  pass.dispatchWorkgroups(...step.workgroups);
}

const runtimes = new WeakMap<object, Runtime>();

/** Ties a runtime to its backend, so that operations find it from the tensors they are given. */
export function registerRuntime(runtime: Runtime): void {
  runtimes.set(runtime.backend, runtime);
}

/**
 * The runtime of the current tfjs backend.
 * @throws Error when the current backend was not made by `initialize`.
 */
export function getRuntime(): Runtime {
  const runtime = runtimes.get(currentBackend());
  if (!runtime)
    throw new Error('The current tfjs backend has no kernels: call `await initialize()` of @samtrack/kernels first.');
  return runtime;
}

/**
 * Folds a flat workgroup count that exceeds one dimension's limit into two. Kernels recover the flat index as
 * `workgroup_id.y * num_workgroups.x + workgroup_id.x` and must ignore the excess.
 */
export function foldWorkgroups(count: number, limit = 65535): [number, number] {
  if (count <= limit) return [count, 1];
  const y = Math.ceil(count / limit);
  return [Math.ceil(count / y), y];
}
