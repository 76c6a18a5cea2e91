import { OnnxEngineError } from './error.js';
import type { OnnxRuntime, Session } from './session/session.js';
import type { ConstantData, TensorData } from './tensors.js';
import type { TracedWeight } from './trace.js';

/** Compiled graphs that nobody uses at the moment and that are kept for captures to come. */
const MAX_IDLE = 16;

/** A graph that is compiled when it is first run. */
export class Executable {
  /** Captures and runs under way that use it. */
  users = 0;
  #session: Promise<Session> | undefined;

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly model: Uint8Array,
    readonly weights: readonly TracedWeight[],
  ) {}

  /** @throws OnnxEngineError `refused` with what ONNX Runtime says of which operation */
  session(): Promise<Session> {
    this.#session ??= this.#compile();
    return this.#session;
  }

  async #compile(): Promise<Session> {
    // Only constants are weights.
    const weights = this.weights.map(({ name, data, arrange }) => ({ name, source: data as ConstantData, arrange }));
    try {
      return await this.runtime.compile(this.model, weights);
    } catch (cause) {
      if (cause instanceof OnnxEngineError) throw cause;
      throw new OnnxEngineError('refused', `ONNX Runtime refused a graph: ${(cause as Error).message}`, { cause });
    }
  }

  release(): void {
    const session = this.#session;
    this.#session = undefined;
    void session?.then((one) => one.release()).catch(() => {});
  }
}

/** Compiled graphs by what they compute: the same graph with the same weights is compiled once. */
export class Executables {
  /** In the order of their last use. */
  readonly #known = new Map<string, Executable>();

  constructor(private readonly runtime: OnnxRuntime) {}

  get size(): number {
    return this.#known.size;
  }

  /** The executable of a graph, to be given back by `done`. */
  use(model: Uint8Array, weights: readonly TracedWeight[]): Executable {
    const key = `${weights.map(({ data }) => data.id)} ${new TextDecoder('latin1').decode(model)}`;
    let executable = this.#known.get(key);
    if (executable) this.#known.delete(key);
    else executable = new Executable(this.runtime, model, weights);
    this.#known.set(key, executable);
    executable.users++;
    return executable;
  }

  done(executable: Executable): void {
    executable.users--;
    this.#evict(MAX_IDLE);
  }

  #evict(most: number): void {
    let idle = [...this.#known.values()].filter(({ users }) => users === 0).length;
    for (const [key, executable] of this.#known) {
      if (idle <= most) return;
      if (executable.users > 0) continue;
      this.#known.delete(key);
      executable.release();
      idle--;
    }
  }

  /** Releases the graphs that need a weight that is gone. */
  forget(data: TensorData): void {
    for (const [key, executable] of this.#known) {
      if (executable.users > 0 || !executable.weights.some((weight) => weight.data === data)) continue;
      this.#known.delete(key);
      executable.release();
    }
  }

  /** Releases what nobody uses. */
  trim(): void {
    this.#evict(0);
  }
}
