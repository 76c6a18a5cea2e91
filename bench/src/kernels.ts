import { fusedOps, type OpSet, stockOps } from '@samtrack/kernels';
import { type benchmarkCases, type OpCase, toTensor } from '@samtrack/kernels/testing';
import { measureCeilings } from '@samtrack/kernels/tuning';
import { dispose, type Tensor, tidy } from '@tensorflow/tfjs-core';
import {
  type BenchContext,
  type BenchmarkResult,
  Contest,
  OURS,
  OURS_WITH_TRANSFER,
  repeat,
  STOCK,
} from './contest.js';
import type { Runner } from './measure.js';
import type { BaselineGraph } from './onnx/baseline.js';
import { OnnxTracer } from './onnx/tracer.js';

/** A case that is benchmarked. */
export type KernelCase = (typeof benchmarkCases)[number];

/** The name of a case's benchmark: `gemm@256x512x512`. */
export const benchmarkName = ({ op, bench }: KernelCase): string => `${op}@${bench.size}`;

/** Times our kernel, the same from stock tfjs operations, and ONNX Runtime, as far as the case is for them. */
export async function benchKernel(kernelCase: KernelCase, context: BenchContext): Promise<BenchmarkResult> {
  const { runtime, ort, options } = context;
  const { flops, bytes, weights } = kernelCase.bench;
  const tensors = Object.fromEntries(Object.entries(kernelCase.inputs).map(([key, t]) => [key, toTensor(t)]));
  const launch = (ops: OpSet): Tensor[] => {
    const stock = ops === stockOps ? kernelCase.stock : undefined;
    return [tidy(() => stock?.(tensors) ?? kernelCase.build(ops, tensors))].flat();
  };
  // What is compared is also what fills the caches.
  const values = async (ops: OpSet) => {
    const outputs = launch(ops);
    const view = outputs[0]!.dtype === 'int32' ? Int32Array : Float32Array;
    const data = new view(await runtime.read(outputs[0]!));
    dispose(outputs);
    return data;
  };
  const gpu =
    (ops: OpSet): Runner['run'] =>
    async (count) => {
      for (let i = 0; i < count; i++) dispose(launch(ops));
      await runtime.finish();
    };
  let contest: Contest | undefined;
  try {
    contest = await Contest.open(benchmarkName(kernelCase), context, () => values(fusedOps));
    contest.add(OURS, gpu(fusedOps));
    if (!kernelCase.kernelsOnly) {
      await contest.check(STOCK, () => values(stockOps));
      contest.add(STOCK, gpu(stockOps));
    }
    if (ort && weights) {
      const changing = Object.keys(tensors).filter((key) => !weights.includes(key));
      contest.add(
        OURS_WITH_TRANSFER,
        repeat(() => {
          for (const key of changing) {
            runtime.write(tensors[key]!, kernelCase.inputs[key]!.values as Float32Array<ArrayBuffer>);
          }
          return values(fusedOps);
        }),
      );
      await contest.addOrt(ort, await traceCase(kernelCase, weights, tensors));
    }
    return { ...(await contest.measure(options)), flops, bytes };
  } finally {
    await contest?.dispose();
    dispose(tensors);
    runtime.trim();
  }
}

/** The ONNX model of a case, its inputs in ONNX's layout, and its output back in ours. */
export async function traceCase(
  kernelCase: Pick<OpCase, 'inputs' | 'build'>,
  weights: readonly string[],
  tensors: Record<string, Tensor>,
): Promise<BaselineGraph> {
  const tracer = new OnnxTracer();
  const feeds: Record<string, { values: Float32Array; shape: readonly number[] }> = {};
  for (const key in tensors) {
    if (weights.includes(key)) continue;
    const { shape } = tensors[key]!;
    const values = kernelCase.inputs[key]!.values as Float32Array;
    if (shape.length === 3) {
      const [height, width, channels] = shape as [number, number, number];
      tracer.imageInput(key, tensors[key]!);
      feeds[key] = { values: toChannelsFirst(values, channels), shape: [1, channels, height, width] };
    } else {
      tracer.input(key, tensors[key]!);
      feeds[key] = { values, shape };
    }
  }
  const out = [tidy(() => kernelCase.build(tracer.ops, tensors))].flat()[0]!;
  const { name, layout } = tracer.output(out);
  const channels = out.shape.at(-1)!;
  out.dispose();
  return {
    ...(await tracer.finish()),
    graph: 'traced',
    feeds,
    fromOnnx: (outputs) => (layout === 'image' ? toChannelsLast(outputs[name]!, channels) : outputs[name]!),
  };
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
