import { engine, type KernelBackend, type TensorInfo } from '@tensorflow/tfjs-core';
import type { RecordedStep } from './graph.js';
import { flush, openPass, type PrivateBackend, type PrivateBufferManager, reclaim } from './tfjs.js';

/**
 * A capture under way: the backend takes its buffers from the graph's pool, and what tfjs itself launches is written down as
 * well. Ends with `stop`.
 */
export class Capture {
  readonly steps: RecordedStep[] = [];
  /** Uniforms of tfjs's own launches, which the graph keeps; of its pool. */
  readonly uniforms: GPUBuffer[] = [];
  /** Data that was on the CPU only. Their buffers are not the graph's. */
  readonly #uploads: object[] = [];
  readonly #shared: PrivateBufferManager;
  readonly #originals: Pick<PrivateBackend, 'runWebGPUProgram' | 'uploadToGPU' | 'makeUniforms'>;

  constructor(
    private readonly backend: PrivateBackend,
    pool: PrivateBufferManager,
  ) {
    flush(backend);
    const { runWebGPUProgram, uploadToGPU, makeUniforms } = backend;
    this.#originals = { runWebGPUProgram, uploadToGPU, makeUniforms };
    this.#shared = backend.bufferManager;
    backend.bufferManager = pool;
    backend.uploadToGPU = (id) => this.#upload(id);
    backend.makeUniforms = (values) => {
      const made = makeUniforms.call(backend, values);
      // Else it would be given back and hold other values when the graph is replayed.
      backend.uniformPendingDisposal.pop();
      this.uniforms.push(made.buffer);
      return made;
    };
    backend.runWebGPUProgram = (...operands) => this.#runStock(...operands);
  }

  /** What is uploaded during a capture outlives the graph: it must not come from the graph's pool. */
  #upload(id: object): void {
    const { backend } = this;
    const { resource, values } = backend.tensorMap.get(id);
    if (resource) return;
    reclaim(backend);
    if (!values) {
      this.#originals.uploadToGPU.call(backend, id);
      return;
    }
    // Whoever disposes it now would return its buffer to the graph's pool.
    this.#tensors.incRef(id);
    this.#uploads.push(id);
    const pool = backend.bufferManager;
    flush(backend);
    backend.bufferManager = this.#shared;
    this.#originals.uploadToGPU.call(backend, id);
    // The staging buffer of an upload goes back where it came from only once it is submitted.
    flush(backend);
    backend.bufferManager = pool;
  }

  /** Runs an operation of tfjs's own and writes down its launch. */
  #runStock(program: unknown, inputs: TensorInfo[], ...rest: unknown[]): TensorInfo {
    const { backend } = this;
    // An upload would end the pass that is listened to.
    for (const { dataId } of inputs) backend.uploadToGPU(dataId);
    const pass = openPass(backend);
    const name = `tfjs/${(program as object).constructor.name}`;
    let pipeline: GPUComputePipeline;
    let bindGroup: GPUBindGroup;
    const listener = {
      setPipeline: (used: GPUComputePipeline) => pass.setPipeline((pipeline = used)),
      setBindGroup: (index: number, used: GPUBindGroup) => pass.setBindGroup(index, (bindGroup = used)),
      dispatchWorkgroups: (x: number, y = 1, z = 1) => {
        this.steps.push({ name, pipeline, bindGroup, workgroups: [x, y, z] });
        pass.dispatchWorkgroups(x, y, z);
      },
      end: () => pass.end(),
    } as GPUComputePassEncoder;
    backend.computePassEncoder = listener;
    try {
      return this.#originals.runWebGPUProgram.call(backend, program, inputs, ...rest);
    } finally {
      if (backend.computePassEncoder === listener) backend.computePassEncoder = pass;
    }
  }

  /**
   * Submits what is recorded and gives the backend back as it was.
   * @returns Whether all that was uploaded is still there. If not, the graph would read what nobody keeps.
   */
  stop(): boolean {
    const { backend } = this;
    flush(backend);
    Object.assign(backend, this.#originals);
    backend.bufferManager = this.#shared;
    const gone = this.#uploads.filter((id) => this.#tensors.disposeData(id));
    for (const id of gone) engine().removeDataId(id, this.#tensors);
    return gone.length === 0;
  }

  get #tensors(): KernelBackend {
    return this.backend as unknown as KernelBackend;
  }
}
