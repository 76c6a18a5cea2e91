import { dispose, keep, type TensorContainer, tensor_util, tidy } from '@tensorflow/tfjs-core';
import { Capture } from './capture.js';
import { CapturedGraph, GraphPool, type RecordedStep } from './graph.js';
import type { Recorder } from './recorder.js';
import { flush, newBufferPool, type PrivateBackend, type PrivateBufferManager } from './tfjs.js';

/** Captures graphs and knows the pools that they draw their buffers from. */
export class Graphs {
  readonly #pools = new Set<PrivateBufferManager>();

  constructor(
    private readonly backend: PrivateBackend,
    private readonly recorder: Recorder,
    private readonly replayer: { replay(steps: readonly RecordedStep[]): void },
  ) {}

  /** Bytes of all pools. */
  get bytes(): number {
    let bytes = 0;
    for (const { numBytesAllocated } of this.#pools) bytes += numBytesAllocated;
    return bytes;
  }

  pool(): GraphPool {
    const buffers = newBufferPool(this.backend);
    this.#pools.add(buffers);
    return new GraphPool(buffers, () => this.#pools.delete(buffers));
  }

  capture<T>(build: () => T, shared?: GraphPool): CapturedGraph<T> {
    const { backend, recorder } = this;
    if (recorder.captured) throw new Error('A graph is already being captured.');
    flush(backend);
    const pool = shared?.buffers ?? newBufferPool(backend);
    const capture = new Capture(backend, pool);
    recorder.captured = capture.steps;
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
      recorder.captured = undefined;
      if (!capture.stop()) throw new Error('A tensor made from values was disposed in a captured graph that reads it.');
    } catch (error) {
      if (recorder.captured) capture.stop();
      recorder.captured = undefined;
      within(() => dispose((result ?? []) as TensorContainer));
      if (!shared) pool.dispose();
      throw error;
    }
    this.#pools.add(pool);
    const release = () => {
      flush(backend);
      // The result's buffers must go back to the graph's own pool.
      within(() => dispose(result as TensorContainer));
      if (!shared) this.#pools.delete(pool);
    };
    return new CapturedGraph(result, capture.steps, pool, this.replayer, release, !shared);
  }
}

/** Keeps every tensor of a captured graph's result out of enclosing tidy scopes. */
function keepAll(result: unknown): void {
  for (const tensor of tensor_util.getTensorsInContainer(result as TensorContainer)) keep(tensor);
}
