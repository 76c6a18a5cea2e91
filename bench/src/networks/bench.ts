import { fusedOps, stockOps } from '@samtrack/kernels';
import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import { countFlops } from '../flops.js';
import {
  type BenchContext,
  type BenchmarkResult,
  checkOutput,
  compareRunners,
  firstRun,
  ORT_RUNNERS,
  OURS,
  STOCK,
  toChannelsFirst,
  toChannelsLast,
  WrongOutputError,
} from '../kernels.js';
import { FirstTimes, measure, type Runner, warmUp } from '../measure.js';
import type { BaselineGraph } from '../onnx/baseline.js';
import type { OrtSession } from '../onnx/session.js';
import { withStockKernels } from '../onnx/stock-kernels.js';
import { OnnxTracer } from '../onnx/tracer.js';
import type { LoadedNetwork, Network, NetworkInputs } from './network.js';

/** What is told about a network apart from its times. */
export interface NetworkResult extends BenchmarkResult {
  /** From the inputs to the first result, shaders and all; of a tracker, with the shaders compiled before. Milliseconds. */
  readonly firstResultMs: number;
  /** Frames or images a second. */
  readonly fps: number;
  /** GPU memory in use or pooled after a run: weights, inputs, memory and intermediate results. */
  readonly peakGpuBytes: number;
  readonly dispatches: number;
  /** Where the graph comes from that ONNX Runtime ran: `traced`, or `pytorch 2.15.0`. */
  readonly graph?: string;
  /** Where the GPU's time goes, by its own clock; missing where it has none. */
  readonly parts?: readonly NetworkPart[];
}

/** A part of a network: a block, or a stage. */
interface NetworkPart {
  readonly name: string;
  readonly milliseconds: number;
  readonly flops?: number;
}

/** A result's error where many layers follow each other; a wrong network is off by far more. */
const ERROR_LIMIT = 1e-6;

/**
 * A network against its unfused twin and ONNX Runtime on the same weights. Ours reads its result back, as ONNX Runtime does.
 * @param twin Whether the twin of stock operations takes part, which takes minutes on a software adapter.
 */
export async function benchNetwork(network: Network, context: BenchContext, twin: boolean): Promise<NetworkResult> {
  const { runtime, ort, ortProviders, options, onNote } = context;
  const inputs = await network.makeInputs();
  const run = async (loaded: LoadedNetwork): Promise<Float32Array> => {
    const out = await loaded.run(inputs);
    const values = new Float32Array(await runtime.read(out));
    out.dispose();
    return values;
  };
  const runnerOf = (name: string, loaded: LoadedNetwork): Runner => ({
    name,
    run: async (count) => {
      for (let i = 0; i < count; i++) await run(loaded);
    },
  });
  const loaded = await network.load(fusedOps);
  const first = new FirstTimes();
  // The first pass is always launched anew.
  const { flops, result: ours } = await countFlops(runtime, () => first.of(OURS, () => run(loaded)));
  const before = runtime.dispatchCount;
  await run(loaded);
  const told = {
    firstResultMs: first.byRunner[OURS]!,
    dispatches: runtime.dispatchCount - before,
    peakGpuBytes: runtime.memory().allocatedBytes,
  };
  await warmUp(runnerOf(OURS, loaded), options.warmMs ?? 0);
  const parts = await timeParts(runtime, loaded, inputs);
  const runners = [runnerOf(OURS, loaded)];
  const errors: Record<string, number> = {};
  const used: LoadedNetwork[] = [loaded];
  const sessions: OrtSession[] = [];
  const attempt = async (runner: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (error instanceof WrongOutputError) throw error;
      onNote(`${network.name}: ${runner} failed: ${(error as Error).message.split('\n')[0]}`);
    }
  };
  if (twin) {
    await attempt(STOCK, async () => {
      const stock = await network.load(stockOps);
      used.push(stock);
      const values = await first.of(STOCK, () => run(stock));
      errors[STOCK] = checkOutput(network.name, STOCK, values, ours, ERROR_LIMIT);
      runners.push(runnerOf(STOCK, stock));
    });
  }
  let graph: BaselineGraph | undefined;
  if (ort) {
    graph = await graphOf(network, loaded, inputs, ours.length, context);
    const { model, feeds, fromOnnx } = graph;
    for (const provider of ortProviders) {
      const runner = ORT_RUNNERS[provider];
      await attempt(runner, async () => {
        const [session, outputs] = await first.of(runner, () => firstRun(ort, model, provider, feeds));
        sessions.push(session);
        errors[runner] = checkOutput(network.name, runner, fromOnnx(outputs), ours, ERROR_LIMIT);
        runners.push({
          name: runner,
          run: async (count) => {
            for (let i = 0; i < count; i++) await session.run();
          },
        });
      });
    }
  }
  const measured = Object.fromEntries(await measure(runners, { ...options, sampleMs: options.warmMs ?? 0 }));
  for (const one of used) one.dispose();
  for (const session of sessions) await session.release();
  dispose([...(inputs.image ? [inputs.image] : []), ...Object.values(inputs.rows)]);
  runtime.trim();
  return {
    name: network.name,
    flops: network.flops || flops,
    runners: measured,
    ratios: compareRunners(measured, ({ wall }) => wall.median),
    cpuRatios: compareRunners(measured, ({ cpu }) => cpu?.median),
    errors,
    firstMs: first.byRunner,
    ...told,
    ...(graph ? { graph: graph.graph } : {}),
    ...(parts ? { parts } : {}),
    fps: 1000 / measured[OURS]!.wall.median,
  };
}

/** The graph that stands for the network, from elsewhere if there are such. */
async function graphOf(
  network: Network,
  loaded: LoadedNetwork,
  inputs: NetworkInputs,
  size: number,
  { runtime, exported }: BenchContext,
): Promise<BaselineGraph> {
  const feeds = await feedsOf(runtime, inputs);
  if (exported) {
    return exported.open({
      benchmark: network.name,
      feeds: { ...feeds, ...loaded.decisions?.() },
      output: { name: 'out', size },
      weights: network.weights(),
    });
  }
  const { model, fromOnnx } = await traceNetwork(network, inputs);
  return { model, graph: 'traced', feeds, fromOnnx: ({ out }) => fromOnnx(out!) };
}

/** GPU time of each part of a run. */
async function timeParts(
  runtime: BenchContext['runtime'],
  loaded: LoadedNetwork,
  inputs: NetworkInputs,
): Promise<NetworkPart[] | undefined> {
  if (!runtime.device.features.has('timestamp-query')) return undefined;
  const start = runtime.dispatchCount;
  const marks: { name: string; flops?: number; end: number }[] = [];
  const times = await runtime.profile(async () => {
    const out = await loaded.run(inputs, (name, flops) =>
      marks.push({ name, flops, end: runtime.dispatchCount - start }),
    );
    out.dispose();
  });
  return marks.map(({ name, flops, end }, i) => ({
    name,
    flops,
    milliseconds: times.slice(marks[i - 1]?.end ?? 0, end).reduce((sum, time) => sum + time.milliseconds, 0),
  }));
}

/** The network as ONNX, made by running it once on the tracer. */
export async function traceNetwork(network: Network, inputs: NetworkInputs) {
  const tracer = new OnnxTracer();
  const loaded = await network.load(tracer.ops);
  try {
    if (inputs.image) tracer.imageInput('image', inputs.image, 3);
    for (const [name, rows] of Object.entries(inputs.rows)) tracer.input(name, rows);
    const out = await withStockKernels(tracer, () => loaded.run(inputs));
    tracer.output('out', out);
    const image = tracer.isImage(out);
    const channels = out.shape.at(-1)!;
    out.dispose();
    return {
      model: await tracer.finish(),
      operators: tracer.graph.operators,
      fromOnnx: (values: Float32Array) => (image ? toChannelsLast(values, channels) : values),
    };
  } finally {
    loaded.dispose();
  }
}

/** The inputs in ONNX's layout. */
export async function feedsOf(runtime: BenchContext['runtime'], { image, rows }: NetworkInputs) {
  const read = async (tensor: Tensor) => new Float32Array(await runtime.read(tensor));
  const feeds: Record<string, { values: Float32Array; shape: readonly number[] }> = {};
  if (image) {
    const [height, width, channels] = image.shape as [number, number, number];
    const planes = toChannelsFirst(await read(image), channels).slice(0, 3 * height * width);
    feeds['image'] = { values: planes, shape: [1, 3, height, width] };
  }
  for (const [name, tensor] of Object.entries(rows)) feeds[name] = { values: await read(tensor), shape: tensor.shape };
  return feeds;
}
