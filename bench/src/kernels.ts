import { fusedOps, measureCeilings, type OpSet, type Runtime, stockOps } from '@samtrack/kernels';
import { type benchmarkCases, normalisedError, type OpCase, toTensor } from '@samtrack/kernels/testing';
import { dispose, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { FirstTimes, type Measurement, type MeasureOptions, measure, type Runner } from './measure.js';
import type { ExportedGraphs } from './onnx/baseline.js';
import type { OnnxRuntime, OrtProvider, OrtSession } from './onnx/session.js';
import { OnnxTracer } from './onnx/tracer.js';

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
const OURS_WITH_TRANSFER = 'samtrack+transfer';
export const STOCK = 'tfjs';
export const ORT_WEBGPU = 'onnxruntime-webgpu';
export const ORT_CPU = 'onnxruntime-cpu';
export const ORT_WASM = 'onnxruntime-wasm';

/** What ONNX Runtime's providers are called as runners. */
export const ORT_RUNNERS: Readonly<Record<OrtProvider, string>> = {
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
  /** Missing where it is not installed. */
  readonly ort?: Pick<OnnxRuntime, 'session'>;
  /** Those of its providers that take part; WebGPU where it uses the same adapter. */
  readonly ortProviders: readonly OrtProvider[];
  /** Graphs of models from elsewhere; without them, models are traced. */
  readonly exported?: ExportedGraphs;
  /** Whether trackers go without their unfused twins, which a browser's software adapter takes minutes for. */
  readonly withoutTwin?: boolean;
  readonly options: MeasureOptions;
  readonly onNote: (message: string) => void;
}

/** A case that is benchmarked. */
export type KernelCase = (typeof benchmarkCases)[number];

/** The name of a case's benchmark: `gemm@256x512x512`. */
export const benchmarkName = ({ op, bench }: KernelCase): string => `${op}@${bench.size}`;

/** Times our kernel, the same from stock tfjs operations, and ONNX Runtime, as far as the case is for them. */
export async function benchKernel(kernelCase: KernelCase, context: BenchContext): Promise<BenchmarkResult> {
  const { runtime, ort, ortProviders, options, onNote } = context;
  const name = benchmarkName(kernelCase);
  const tensors = Object.fromEntries(Object.entries(kernelCase.inputs).map(([key, t]) => [key, toTensor(t)]));
  const launch = (ops: OpSet): Tensor[] => [tidy(() => kernelCase.build(ops, tensors))].flat();
  const values = async (ops: OpSet) => {
    const outputs = launch(ops);
    const view = outputs[0]!.dtype === 'int32' ? Int32Array : Float32Array;
    const data = new view(await runtime.read(outputs[0]!));
    dispose(outputs);
    return data;
  };
  const gpu = (runner: string, ops: OpSet): Runner => ({
    name: runner,
    run: async (count) => {
      for (let i = 0; i < count; i++) dispose(launch(ops));
      await runtime.finish();
    },
  });
  const sessions: OrtSession[] = [];
  try {
    const first = new FirstTimes();
    const ours = await first.of(OURS, () => values(fusedOps));
    // What is compared is also what fills the caches.
    const errors: Record<string, number> = {};
    const runners = [gpu(OURS, fusedOps)];
    if (!kernelCase.kernelsOnly) {
      errors[STOCK] = checkOutput(name, STOCK, await first.of(STOCK, () => values(stockOps)), ours);
      runners.push(gpu(STOCK, stockOps));
    }
    const { weights } = kernelCase.bench;
    if (ort && weights) {
      runners.push({
        name: OURS_WITH_TRANSFER,
        run: async (count) => {
          for (let i = 0; i < count; i++) {
            for (const key in tensors) {
              if (!weights.includes(key)) {
                runtime.write(tensors[key]!, kernelCase.inputs[key]!.values as Float32Array<ArrayBuffer>);
              }
            }
            await values(fusedOps);
          }
        },
      });
      const { model, inputs, fromOnnx } = await traceCase(kernelCase, weights, tensors);
      for (const provider of ortProviders) {
        const runner = ORT_RUNNERS[provider];
        try {
          const [session, outputs] = await first.of(runner, () => firstRun(ort, model, provider, inputs));
          sessions.push(session);
          errors[runner] = checkOutput(name, runner, fromOnnx(outputs['out']!), ours);
          runners.push({
            name: runner,
            run: async (count) => {
              for (let i = 0; i < count; i++) await session.run();
            },
          });
        } catch (error) {
          if (error instanceof WrongOutputError) throw error;
          onNote(`${name}: ${runner} failed: ${(error as Error).message}`);
        }
      }
    }
    return summariseRunners(name, kernelCase.bench, errors, first, await measure(runners, options));
  } finally {
    for (const session of sessions) await session.release();
    dispose(tensors);
    runtime.trim();
  }
}

function summariseRunners(
  name: string,
  work: { flops?: number; bytes?: number },
  errors: Readonly<Record<string, number>>,
  { byRunner: firstMs }: FirstTimes,
  measured: ReadonlyMap<string, Measurement>,
): BenchmarkResult {
  const runners = Object.fromEntries(measured);
  return {
    name,
    flops: work.flops,
    bytes: work.bytes,
    runners,
    ratios: compareRunners(runners, ({ wall }) => wall.median),
    cpuRatios: compareRunners(runners, ({ cpu }) => cpu?.median),
    errors,
    firstMs,
  };
}

/** A session and the outputs of its first run. */
export async function firstRun(
  ort: Pick<OnnxRuntime, 'session'>,
  ...[model, provider, inputs]: Parameters<OnnxRuntime['session']>
): Promise<[OrtSession, Record<string, Float32Array>]> {
  const session = await ort.session(model, provider, inputs);
  return [session, await session.run()];
}

/** The ONNX model of a case, its inputs in ONNX's layout, and its output back in ours. */
export async function traceCase(
  kernelCase: Pick<OpCase, 'inputs' | 'build'>,
  weights: readonly string[],
  tensors: Record<string, Tensor>,
): Promise<{
  model: Uint8Array;
  inputs: Record<string, { values: Float32Array; shape: readonly number[] }>;
  fromOnnx: (values: Float32Array) => Float32Array;
}> {
  const tracer = new OnnxTracer();
  const inputs: Record<string, { values: Float32Array; shape: readonly number[] }> = {};
  for (const key in tensors) {
    if (weights.includes(key)) continue;
    const { shape } = tensors[key]!;
    const values = kernelCase.inputs[key]!.values as Float32Array;
    if (shape.length === 3) {
      const [height, width, channels] = shape as [number, number, number];
      tracer.imageInput(key, tensors[key]!);
      inputs[key] = { values: toChannelsFirst(values, channels), shape: [1, channels, height, width] };
    } else {
      tracer.input(key, tensors[key]!);
      inputs[key] = { values, shape };
    }
  }
  const out = [tidy(() => kernelCase.build(tracer.ops, tensors))].flat()[0]!;
  tracer.output('out', out);
  const channels = out.shape.at(-1)!;
  const image = tracer.isImage(out);
  out.dispose();
  const fromOnnx = (values: Float32Array) => (image ? toChannelsLast(values, channels) : values);
  return { model: await tracer.finish(), inputs, fromOnnx };
}

/** [H, W, C] as [C, H, W]. */
export function toChannelsFirst(values: Float32Array, channels: number): Float32Array {
  const pixels = values.length / channels;
  const out = new Float32Array(values.length);
  for (let i = 0; i < pixels; i++) for (let c = 0; c < channels; c++) out[c * pixels + i] = values[i * channels + c]!;
  return out;
}

/** [C, H, W] as [H, W, C]. */
export const toChannelsLast = (values: Float32Array, channels: number): Float32Array =>
  toChannelsFirst(values, values.length / channels);

/** Best throughput that this adapter shows: matrix products in GFLOP/s, copies in GB/s (read and written). */
export async function bestThroughput(
  { runtime }: Pick<BenchContext, 'runtime'>,
  results: readonly BenchmarkResult[],
  size?: number,
): Promise<{ gemmGflops: number; gemmFloat16Gflops?: number; copyGBps: number }> {
  const { flopsPerSecond, float16FlopsPerSecond, bytesPerSecond } = await measureCeilings(runtime, size);
  const gflops = results
    .filter(({ name }) => name.startsWith('gemm@'))
    .map(({ flops, runners }) => flops! / runners[OURS]!.wall.median / 1e6);
  return {
    gemmGflops: Math.max(flopsPerSecond / 1e9, ...gflops),
    ...(float16FlopsPerSecond !== undefined && { gemmFloat16Gflops: float16FlopsPerSecond / 1e9 }),
    copyGBps: bytesPerSecond / 1e9,
  };
}
