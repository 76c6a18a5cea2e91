import type { PrivateBufferManager } from './tfjs.js';

/** A recorded dispatch or copy with everything it is bound to. */
export type RecordedStep =
  | { name: string; pipeline: GPUComputePipeline; bindGroup: GPUBindGroup; workgroups: [number, number, number] }
  | { name: string; source: GPUBuffer; target: GPUBuffer; size: number };

/**
 * Buffers that several captured graphs share, so that together they take little more than the largest of them. One graph
 * overwrites what another left there, results excepted: those stay until their own graph runs again.
 */
export class GraphPool {
  constructor(
    /** Private to the runtime. */
    readonly buffers: PrivateBufferManager,
    private readonly release: () => void,
  ) {}

  /** Bytes of GPU memory that it holds. */
  get bytes(): number {
    return this.buffers.numBytesAllocated;
  }

  /** Destroys the buffers. The graphs that use them are to be disposed before. */
  dispose(): void {
    this.release();
    this.buffers.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Launches recorded once by `Runtime.capture`, repeated by `replay` as a single command buffer: a few microseconds of CPU
 * time a dispatch. New inputs go in with `Runtime.write` on tensors made before the capture; results are read from
 * `result`, whose tensors belong to the graph and are overwritten by the next replay.
 */
export class CapturedGraph<T> {
  #disposed = false;

  constructor(
    /** What the captured function returned. */
    readonly result: T,
    readonly steps: readonly RecordedStep[],
    private readonly pool: PrivateBufferManager,
    private readonly runtime: { replay(steps: readonly RecordedStep[]): void },
    private readonly release: () => void,
    /** Whether the pool is the graph's own. */
    private readonly ownsPool: boolean,
  ) {}

  /** Bytes of GPU memory that the graph holds, or all graphs of its pool. */
  get bytes(): number {
    return this.pool.numBytesAllocated;
  }

  /** Runs the recorded steps again. */
  replay(): void {
    if (this.#disposed) throw new Error('This captured graph is disposed.');
    this.runtime.replay(this.steps);
  }

  /** Destroys the graph's buffers. The tensors of `result` are unusable afterwards. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.release();
    if (this.ownsPool) this.pool.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
