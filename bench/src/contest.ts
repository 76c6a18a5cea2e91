import type { Runtime } from '@samtrack/kernels';
import { normalisedError } from '@samtrack/kernels/testing';
import type { CpuEngine } from './cpu-engine.js';
import { FirstTimes, type Measurement, type MeasureOptions, measure, type Runner } from './measure.js';
import type { BaselineGraph, ExportedGraphs } from './onnx/baseline.js';
import type { OnnxRuntime, OrtProvider, OrtSession } from './onnx/session.js';
import type { PyTorch } from './pytorch.js';

/** Results of one benchmark: what each runner took, and how the others compare with ours. */
export interface BenchmarkResult {
  /** `gemm@256x512x512`. */
  readonly name: string;
  readonly flops?: number;
  readonly bytes?: number;
  readonly runners: Readonly<Record<string, Measurement>>;
  /** Median of their wall time over ours, each measured on the same terms. */
  readonly ratios: Readonly<Record<string, number>>;
  /** The same of CPU time, which other work on the machine disturbs less; none in a browser. */
  readonly cpuRatios: Readonly<Record<string, number>>;
  /** Normalised squared error of each runner against ours, checked before anything was timed. */
  readonly errors: Readonly<Record<string, number>>;
  /**
   * Milliseconds to the first result, shaders that no cache has and all: of ours and of tfjs from tensors to values, of ONNX
   * Runtime from the graph.
   */
  readonly firstMs: Readonly<Record<string, number>>;
}

/** A runner's output differs from ours. */
export class WrongOutputError extends Error {
  override readonly name = 'WrongOutputError';
}

export const OURS = 'samtrack';
/** Ours on the terms of ONNX Runtime's `run`: inputs uploaded, output downloaded. */
export const OURS_WITH_TRANSFER = 'samtrack+transfer';
/** Ours on the CPU, by ONNX Runtime. */
export const OURS_CPU = 'samtrack-cpu';
export const STOCK = 'tfjs';
export const ORT_WEBGPU = 'onnxruntime-webgpu';
export const ORT_CPU = 'onnxruntime-cpu';
export const ORT_WASM = 'onnxruntime-wasm';
export const PYTORCH = 'pytorch';

/** What ONNX Runtime's providers are called as runners. */
const ORT_RUNNERS: Readonly<Record<OrtProvider, string>> = {
  webgpu: ORT_WEBGPU,
  cpu: ORT_CPU,
  wasm: ORT_WASM,
};

/** f32 sums in another order differ by about 1e-13; a wrong kernel by far more. */
const ERROR_LIMIT = 1e-8;

/** Against whom a runner's time is set: those that transfer data, against ours that does too. */
const BASELINES: Readonly<Record<string, string>> = {
  [STOCK]: OURS,
  [ORT_WEBGPU]: OURS_WITH_TRANSFER,
  [ORT_CPU]: OURS_WITH_TRANSFER,
  [ORT_WASM]: OURS_WITH_TRANSFER,
  [OURS_CPU]: OURS,
  [PYTORCH]: OURS,
};

/** Ratios of all other runners, `theirs / ours`. */
export function compareRunners(
  runners: Readonly<Record<string, Measurement>>,
  time: (measurement: Measurement) => number | undefined,
  baselines = BASELINES,
): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const name in runners) {
    const baseline = baselines[name];
    const ours = baseline === undefined ? undefined : (runners[baseline] ?? runners[OURS]);
    if (!ours || baseline === name) continue;
    const [theirTime, ourTime] = [time(runners[name]!), time(ours)];
    if (theirTime !== undefined && ourTime !== undefined) ratios[name] = theirTime / ourTime;
  }
  return ratios;
}

/** Checks a runner's output. @throws WrongOutputError */
export function checkOutput(
  benchmark: string,
  runner: string,
  actual: ArrayLike<number>,
  ours: ArrayLike<number>,
  limit = ERROR_LIMIT,
): number {
  const error = normalisedError(actual, ours);
  if (!(error <= limit)) {
    throw new WrongOutputError(
      `${benchmark}: the output of ${runner} differs from ours, normalised squared error ${error.toExponential(1)}.`,
    );
  }
  return error;
}

/** What a benchmark runs on and with. */
export interface BenchContext {
  readonly runtime: Runtime;
  /** Our other engine; missing where ONNX Runtime is not installed, and in browsers. */
  readonly cpu?: CpuEngine;
  /** Missing where it is not installed. */
  readonly ort?: Pick<OnnxRuntime, 'session'>;
  /** Those of its providers that take part; WebGPU where it uses the same adapter. */
  readonly ortProviders: readonly OrtProvider[];
  /** Graphs of models from elsewhere; without them, models are traced. */
  readonly exported?: ExportedGraphs;
  /** Starts PyTorch itself on a benchmark. */
  readonly pytorch?: (benchmark: string) => Promise<Pick<PyTorch, 'run' | 'release'>>;
  /** Runners that do not take part. */
  readonly without?: readonly string[];
  /** Whether trackers go without their unfused twins, which a browser's software adapter takes minutes for. */
  readonly withoutTwin?: boolean;
  readonly options: MeasureOptions;
  readonly onNote: (message: string) => void;
}

/** Who takes part in a benchmark: every other is checked against ours before anything is timed. */
export class Contest {
  readonly errors: Record<string, number> = {};
  readonly #runners: Runner[] = [];
  readonly #sessions: { release(): unknown }[] = [];

  private constructor(
    readonly name: string,
    private readonly context: BenchContext,
    readonly first: FirstTimes,
    readonly ours: ArrayLike<number>,
    private readonly limit?: number,
  ) {}

  /**
   * @param ours Computes the values that the others have to compute too.
   * @param limit Most normalised squared error of theirs.
   */
  static async open(
    name: string,
    context: BenchContext,
    ours: () => Promise<ArrayLike<number>>,
    limit?: number,
  ): Promise<Contest> {
    const first = new FirstTimes();
    return new Contest(name, context, first, await first.of(OURS, ours), limit);
  }

  add(name: string, run: Runner['run']): void {
    this.#runners.push({ name, run });
  }

  /** One that computes its first result now. @throws WrongOutputError */
  async check(name: string, values: () => Promise<ArrayLike<number>>): Promise<void> {
    this.errors[name] = checkOutput(this.name, name, await this.first.of(name, values), this.ours, this.limit);
  }

  /** What may fail, for want of memory say, without ending the run. @throws WrongOutputError */
  async attempt(name: string, work: () => Promise<void>): Promise<void> {
    if (this.context.without?.includes(name)) return;
    try {
      await work();
    } catch (error) {
      if (error instanceof WrongOutputError) throw error;
      this.context.onNote(`${this.name}: ${name} failed: ${(error as Error).message.split('\n')[0]}`);
    }
  }

  /** PyTorch itself. Its result is not compared here: the exporter compared it with the graph, which is. */
  async addPyTorch(start: NonNullable<BenchContext['pytorch']>): Promise<void> {
    await this.attempt(PYTORCH, async () => {
      const eager = await this.first.of(PYTORCH, () => start(this.name));
      this.#sessions.push(eager);
      this.add(PYTORCH, (count) => eager.run(count));
    });
  }

  /** ONNX Runtime's providers on a graph. */
  async addOrt(ort: Pick<OnnxRuntime, 'session'>, graph: Omit<BaselineGraph, 'graph'>): Promise<void> {
    for (const provider of this.context.ortProviders) {
      const name = ORT_RUNNERS[provider];
      await this.attempt(name, async () => {
        let session!: OrtSession;
        await this.check(name, async () => {
          session = await ort.session(graph, provider, graph.feeds);
          this.#sessions.push(session);
          return graph.fromOnnx(await session.run());
        });
        this.add(
          name,
          repeat(() => session.run()),
        );
      });
    }
  }

  async measure(options: MeasureOptions): Promise<Omit<BenchmarkResult, 'flops' | 'bytes'>> {
    const runners = Object.fromEntries(await measure(this.#runners, options));
    return {
      name: this.name,
      runners,
      ratios: compareRunners(runners, ({ wall }) => wall.median),
      cpuRatios: compareRunners(runners, ({ cpu }) => cpu?.median),
      errors: this.errors,
      firstMs: this.first.byRunner,
    };
  }

  async dispose(): Promise<void> {
    for (const session of this.#sessions) await session.release();
  }
}

/** Runs one after another. */
export const repeat =
  (run: () => Promise<unknown>): Runner['run'] =>
  async (count) => {
    for (let i = 0; i < count; i++) await run();
  };
