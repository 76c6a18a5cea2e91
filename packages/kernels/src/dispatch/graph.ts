import type { PrivateBufferManager } from './tfjs.js';

/** A recorded dispatch or copy with everything it is bound to. */
export type RecordedStep =
  | { name: string; pipeline: GPUComputePipeline; bindGroup: GPUBindGroup; workgroups: [number, number, number] }
  | { name: string; source: GPUBuffer; target: GPUBuffer; size: number };

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
  ) {}

  /** Bytes of GPU memory that the graph holds for itself. */
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
    this.surrenderPool()?.dispose();
  }

  /** Disposes the graph but hands over its buffers, all of them free; nothing when it is disposed already. */
  surrenderPool(): PrivateBufferManager | undefined {
    if (this.#disposed) return undefined;
    this.#disposed = true;
    this.release();
    return this.pool;
  }
}
