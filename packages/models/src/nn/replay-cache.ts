import { type Captured, type CapturePool, getEngine } from '@samtrack/kernels';
import { dispose, keep, type Tensor, type TensorContainer, tensor_util, tidy } from '@tensorflow/tfjs-core';
import { BoundedCache } from './bounded-cache.js';

/** Passes of one input shape that are remembered, replayed or not. Above that, all of them start over. */
const MAX_PASSES = 8;

/** Options of `ReplayCache`. */
export interface ReplayOptions {
  /** Whether to replay at all: captured operations are those of the kernels or of tfjs on its WebGPU backend. */
  enabled: boolean;
  /** Input shapes to keep. */
  shapes: number;
  /**
   * Whether the pool of tensors is emptied where a pass leaves in it what captured passes have for themselves. Not worth it
   * for small passes, since others may use what is there. True by default.
   */
  trims?: boolean;
}

/** What a stage is given, by name. */
type Feeds = Readonly<Record<string, Tensor | undefined>>;

/**
 * Repeats the forward passes of a model instead of recording them anew. What shapes the launches of a pass makes its key:
 * first the shape of the input (`at`), then whatever else matters (`begin`). The first pass of a key runs as it is, so that a
 * single image costs nothing more; the second is captured, and later ones are replayed.
 *
 * Captured passes hold GPU memory: that of their intermediate results, which passes of one input shape share. Of
 * input shapes, those that were not used for longest are forgotten.
 */
export class ReplayCache {
  readonly #shapes: BoundedCache<ReplayShape>;
  #disposed = false;

  constructor(private readonly options: ReplayOptions) {
    this.#shapes = new BoundedCache(options.shapes, (shape) => shape.retire());
  }

  /** What is known of an input shape. */
  at(key: string): ReplayShape {
    let shape = this.#shapes.get(key);
    if (!shape) this.#shapes.set(key, (shape = new ReplayShape(this.options, () => this.#disposed)));
    return shape;
  }

  /** Frees what is known of an input shape. */
  forget(key: string): void {
    this.#shapes.delete(key);
  }

  /** Frees graphs and constants. A replayed pass under way fails at its next stage. */
  dispose(): void {
    this.#disposed = true;
    this.#shapes.clear();
  }
}

/** Constants and captured passes of one input shape. */
export class ReplayShape {
  readonly #constants = new Map<string, Tensor>();
  readonly #uses = new Map<string, number>();
  readonly #graphs = new Map<string, CapturedStage>();
  #pool: CapturePool | undefined;
  #busy = false;
  /** Passes under way. */
  #passes = 0;
  #retired = false;

  /** Made by `ReplayCache.at`. */
  constructor(
    private readonly options: ReplayOptions,
    private readonly isDisposed: () => boolean,
  ) {}

  /** A tensor that depends on the input shape alone; made once, disposed with the shape. */
  constant(name: string, make: () => Tensor): Tensor {
    let tensor = this.#constants.get(name);
    if (!tensor) this.#constants.set(name, (tensor = keep(tidy(make))));
    return tensor;
  }

  /**
   * Begins a forward pass, to be ended by `end` whatever happens. Passes of one input shape share buffers, so only one at a
   * time is replayed; others run as they are.
   * @param key Tells passes with different launches apart. Without one, the pass is never captured.
   */
  begin(key?: string): ForwardPass {
    const replays = this.options.enabled && key !== undefined && !this.#busy && this.#used(key) > 0;
    this.#passes++;
    if (replays) this.#busy = true;
    const stage = <R>(name: string, feeds: Feeds, build: (inputs: Feeds) => R) =>
      this.#stage(`${key}/${name}`, feeds, build);
    return new ForwardPass(replays ? stage : undefined, () => this.#ended(replays));
  }

  #ended(replayed: boolean): void {
    this.#passes--;
    if (replayed) this.#busy = false;
    // Where passes are replayed, the pool of tensors need not keep what one that is not leaves there.
    else if (this.#graphs.size > 0 && this.options.trims !== false) getEngine().trim();
    if (this.#retired && this.#passes === 0) this.#free();
  }

  /** How often a pass was begun before. */
  #used(key: string): number {
    if (!this.#uses.has(key) && this.#uses.size >= MAX_PASSES) this.#forget();
    const uses = this.#uses.get(key) ?? 0;
    this.#uses.set(key, uses + 1);
    return uses;
  }

  #stage<R>(key: string, feeds: Feeds, build: (inputs: Feeds) => R): R {
    if (this.isDisposed()) throw new Error('The model was disposed during a pass.');
    const runtime = getEngine();
    const known = this.#graphs.get(key);
    if (known) {
      for (const [name, tensor] of given(feeds)) runtime.copy(tensor, known.inputs[name]!);
      known.graph.replay();
      return known.graph.result as R;
    }
    // What the pass before left in the pool of tensors is of no more use.
    if (this.options.trims !== false) runtime.trim();
    this.#pool ??= runtime.capturePool();
    const inputs: Record<string, Tensor> = {};
    try {
      for (const [name, tensor] of given(feeds)) {
        inputs[name] = keep(runtime.allocate(tensor.shape, tensor.dtype as 'float32' | 'int32'));
        runtime.copy(tensor, inputs[name]);
      }
      const graph = runtime.capture(() => build(inputs), this.#pool);
      this.#graphs.set(key, { graph, inputs });
      return graph.result;
    } catch (error) {
      dispose(inputs);
      throw error;
    }
  }

  #forget(): void {
    for (const { graph, inputs } of this.#graphs.values()) {
      graph.dispose();
      dispose(inputs);
    }
    this.#graphs.clear();
    this.#uses.clear();
    this.#pool?.dispose();
    this.#pool = undefined;
  }

  /** Frees everything, once no pass is under way. */
  retire(): void {
    this.#retired = true;
    if (this.#passes === 0) this.#free();
  }

  #free(): void {
    this.#forget();
    dispose([...this.#constants.values()]);
    this.#constants.clear();
  }
}

/** A stage that is replayed, and where its inputs go. */
interface CapturedStage {
  graph: Captured<unknown>;
  inputs: Record<string, Tensor>;
}

/** One forward pass, in stages between which the CPU may read and decide. */
export class ForwardPass {
  /** Results that nobody has taken. */
  readonly #own = new Set<Tensor>();

  /** Made by `ReplayShape.begin`. */
  constructor(
    private readonly replay: (<R>(name: string, feeds: Feeds, build: (inputs: Feeds) => R) => R) | undefined,
    private readonly release: () => void,
  ) {}

  /** Whether the pass is a captured one. */
  get replayed(): boolean {
    return this.replay !== undefined;
  }

  /**
   * Runs a stage, or repeats it.
   *
   * @param feeds Tensors that change from pass to pass, always of the same shape and type for a key.
   * @param build Computes the results from the inputs it is given, from weights, constants and results of earlier stages of
   *   this pass, and from nothing else: in a pass that is replayed it is not called. It neither disposes its inputs nor returns
   *   them.
   * @returns The results, which are the pass's: valid until it ends.
   */
  stage<F extends Feeds, R>(name: string, feeds: F, build: (inputs: F) => R): R {
    if (this.replay) return this.replay(name, feeds, build as (inputs: Feeds) => R);
    const result = tidy(() => build(feeds) as TensorContainer) as R;
    for (const tensor of tensor_util.getTensorsInContainer(result as TensorContainer)) this.#own.add(tensor);
    return result;
  }

  /** Makes a result the caller's. */
  take<T extends Tensor>(tensor: T): T {
    if (!this.replay) {
      this.#own.delete(tensor);
      return tensor;
    }
    const runtime = getEngine();
    const copy = runtime.allocate(tensor.shape, tensor.dtype as 'float32' | 'int32');
    runtime.copy(tensor, copy);
    return copy as T;
  }

  /** Frees what was not taken. */
  end(): void {
    dispose([...this.#own]);
    this.#own.clear();
    this.release();
  }
}

const given = (feeds: Feeds): [string, Tensor][] =>
  Object.entries(feeds).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
