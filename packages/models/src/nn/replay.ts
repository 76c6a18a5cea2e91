import { type Captured, type CapturePool, getEngine, type OpSet } from '@samtrack/kernels';
import { dispose, keep, Tensor, type TensorContainer, tensor_util, tidy } from '@tensorflow/tfjs-core';
import { BoundedCache } from './bounded-cache.js';

/** Passes that are remembered of what shares memory, replayed or not. Above that, all of them start over. */
const MAX_PASSES = 8;

/** Options of `Replay`. */
export interface ReplayOptions {
  /** What passes run on; what can be captured are the engine's own operations, and those of tfjs on its backend. */
  ops: OpSet;
  /** Whether to replay at all; by default where it pays on the engine. */
  replay?: boolean | undefined;
  /** How many kinds of passes (see `at`) are kept. */
  shapes: number;
  /**
   * How many passes of a kind are kept. Where it is one, for what goes on for long, the first pass is captured already, and its
   * memory serves the next when that one differs.
   */
  passes?: number | undefined;
  /**
   * Whether the pool of tensors is emptied where a pass leaves in it what captured passes have for themselves. Not worth it
   * for small passes, since others may use what is there. True by default.
   */
  trims?: boolean | undefined;
}

/** What a stage is given, by name. */
type Feeds = Readonly<Record<string, Tensor | undefined>>;

/** Which pass it is. */
export interface PassOptions {
  /** What shapes its launches beside the shapes and types of its inputs. */
  statics?: string | undefined;
  /** False for a pass that is neither captured nor replayed. */
  captured?: boolean | undefined;
}

/**
 * Repeats functions of tensors instead of recording them anew. As by a just-in-time compiler, a function is captured for the shapes
 * and types of its inputs and replayed where they recur. The first time it runs as it is, so that a single image costs nothing
 * more; the second time is captured.
 *
 * What is captured holds memory: that of intermediate results, which passes of one kind share. Of kinds, those that were not used
 * for longest are forgotten.
 */
export class Replay {
  readonly #shapes: BoundedCache<ReplayShape>;
  readonly #enabled: boolean;
  #disposed = false;

  constructor(private readonly options: ReplayOptions) {
    const { ops, replay = getEngine().replays } = options;
    this.#enabled = replay && ops === getEngine().ops;
    this.#shapes = new BoundedCache(options.shapes, (shape) => shape.retire());
  }

  /** Passes of one kind, such as those of an input shape: they share memory, and are forgotten together. */
  at(kind: string): ReplayShape {
    let shape = this.#shapes.get(kind);
    if (!shape) {
      shape = new ReplayShape(this.options, this.#enabled, () => this.#disposed);
      this.#shapes.set(kind, shape);
    }
    return shape;
  }

  /** Frees what is known of a kind. */
  forget(kind: string): void {
    this.#shapes.delete(kind);
  }

  /** Frees what was captured, and constants. A replayed pass under way fails at its next stage. */
  dispose(): void {
    this.#disposed = true;
    this.#shapes.clear();
  }
}

/** A stage that is replayed, and where its inputs go. */
interface CapturedStage {
  graph: Captured<unknown>;
  inputs: Record<string, Tensor>;
}

/** Constants and captured stages of one kind of passes. */
export class ReplayShape {
  readonly #constants = new Map<string, Tensor>();
  /** By key; undefined for one that only ran as it is. */
  readonly #stages = new Map<string, CapturedStage | undefined>();
  /** Keys of the stages that passes begin with. */
  readonly #beginnings = new Set<string>();
  #pool: CapturePool | undefined;
  #busy = false;
  /** Passes under way. */
  #passes = 0;
  #retired = false;

  /** Made by `Replay.at`. */
  constructor(
    private readonly options: ReplayOptions,
    private readonly enabled: boolean,
    private readonly isDisposed: () => boolean,
  ) {}

  /** A tensor that depends on the kind alone; made once, disposed with it. */
  constant(name: string, make: () => Tensor): Tensor {
    let tensor = this.#constants.get(name);
    if (!tensor) this.#constants.set(name, (tensor = keep(tidy(make))));
    return tensor;
  }

  /** A pass of one stage, see `ForwardPass.stage`. The results are the caller's. */
  call<F extends Feeds, R extends object>(feeds: F, build: (inputs: F) => R, options?: PassOptions): R {
    const pass = this.begin(options);
    try {
      return pass.take(pass.stage('call', feeds, build));
    } finally {
      pass.end();
    }
  }

  /**
   * Begins a pass, to be ended by `end` whatever happens. Passes of one kind share buffers, so only one at a time is captured or
   * replayed; others run as they are.
   */
  begin({ statics = '', captured = true }: PassOptions = {}): ForwardPass {
    const replays = this.enabled && captured && !this.#busy;
    this.#passes++;
    if (replays) this.#busy = true;
    return new ForwardPass(replays ? this : undefined, statics, (replayed) => this.#ended(replays, replayed));
  }

  #ended(wasBusy: boolean, replayed: boolean): void {
    this.#passes--;
    if (wasBusy) this.#busy = false;
    // Where passes are replayed, the pool of tensors need not keep what one that is not leaves there.
    if (!replayed && this.#pool && this.options.trims !== false) getEngine().trim();
    if (this.#retired && this.#passes === 0) this.#free();
  }

  /** Runs a stage as one that is captured; undefined where it is to be run as it is. For `ForwardPass`. */
  stage(
    key: string,
    begins: boolean,
    feeds: Feeds,
    build: (inputs: Feeds) => unknown,
  ): { result: unknown } | undefined {
    if (this.isDisposed()) throw new Error('The model was disposed during a pass.');
    const { passes = MAX_PASSES } = this.options;
    const known = this.#stages.get(key);
    if (known) {
      for (const [name, tensor] of given(feeds)) getEngine().copy(tensor, known.inputs[name]!);
      known.graph.replay();
      return known.graph;
    }
    if (begins && !this.#beginnings.has(key)) {
      if (this.#beginnings.size >= passes) this.#forget(passes === 1);
      this.#beginnings.add(key);
    }
    if (passes > 1 && !this.#stages.has(key)) {
      this.#stages.set(key, undefined);
      return undefined;
    }
    const stage = this.#capture(feeds, build);
    this.#stages.set(key, stage);
    return stage.graph;
  }

  #capture(feeds: Feeds, build: (inputs: Feeds) => unknown): CapturedStage {
    const engine = getEngine();
    // What the pass before left in the pool of tensors is of no more use.
    if (this.options.trims !== false) engine.trim();
    this.#pool ??= engine.capturePool();
    const inputs: Record<string, Tensor> = {};
    try {
      for (const [name, tensor] of given(feeds)) {
        inputs[name] = keep(engine.allocate(tensor.shape, tensor.dtype as 'float32' | 'int32'));
        engine.copy(tensor, inputs[name]);
      }
      return { graph: engine.capture(() => build(inputs), this.#pool), inputs };
    } catch (error) {
      dispose(inputs);
      throw error;
    }
  }

  #forget(keepsPool = false): void {
    for (const stage of this.#stages.values()) {
      stage?.graph.dispose();
      dispose(stage?.inputs ?? {});
    }
    this.#stages.clear();
    this.#beginnings.clear();
    if (keepsPool) return;
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

/** One forward pass, in stages between which the CPU may read and decide. */
export class ForwardPass {
  /** Results that nobody has taken, of stages that were run as they are. */
  readonly #own = new Set<Tensor>();
  /** Identifies the stages so far whose results later ones may use. */
  #key: string;
  #begins = true;
  #replayed = false;

  /** Made by `ReplayShape.begin`. */
  constructor(
    private readonly shape: ReplayShape | undefined,
    statics: string,
    private readonly release: (replayed: boolean) => void,
  ) {
    this.#key = statics;
  }

  /** Whether anything was captured or replayed. */
  get replayed(): boolean {
    return this.#replayed;
  }

  /**
   * Runs a stage, or repeats it.
   *
   * @param feeds Tensors that change from pass to pass.
   * @param build Computes the results from the inputs that it is given, from what outlives the captured pass (weights, constants,
   *   state), from results of earlier stages of this pass, and from nothing else: where the pass is replayed it is not called. It
   *   neither disposes its inputs nor returns them.
   * @returns The results, which are the pass's: valid until it ends.
   */
  stage<F extends Feeds, R>(name: string, feeds: F, build: (inputs: F) => R): R {
    const key = `${this.#key}/${name}(${signature(feeds)})`;
    const captured = this.shape?.stage(key, this.#begins, feeds, build as (inputs: Feeds) => unknown);
    this.#begins = false;
    const result = captured ? (captured.result as R) : (tidy(() => build(feeds) as TensorContainer) as R);
    const tensors = tensor_util.getTensorsInContainer(result as TensorContainer);
    if (captured) this.#replayed = true;
    else for (const tensor of tensors) this.#own.add(tensor);
    if (tensors.length > 0) this.#key = key;
    return result;
  }

  /** Makes a tensor, or those of an object of tensors, the caller's. */
  take<R extends object>(results: R): R {
    if (!(results instanceof Tensor)) {
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, this.take(tensor)])) as R;
    }
    if (this.#own.delete(results)) return results;
    const copy = getEngine().allocate(results.shape, results.dtype as 'float32' | 'int32');
    getEngine().copy(results, copy);
    return copy as Tensor as R;
  }

  /** Frees what was not taken. */
  end(): void {
    dispose([...this.#own]);
    this.#own.clear();
    this.release(this.#replayed);
  }
}

const given = (feeds: Feeds): [string, Tensor][] =>
  Object.entries(feeds).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);

/** Names, types and shapes of inputs. */
const signature = (feeds: Feeds): string =>
  given(feeds)
    .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape}]`)
    .join();
