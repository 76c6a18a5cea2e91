import { fusedOps, type Runtime, stockOps } from '@samtrack/kernels';
import { DEAOT_CONFIGS, type DeAot, type DeAotName, networkSize, type Size } from '@samtrack/models';
import { dispose, tensor } from '@tensorflow/tfjs-core';
import { countFlops } from '../flops.js';
import {
  type BenchContext,
  checkOutput,
  compareRunners,
  firstRun,
  ORT_RUNNERS,
  OURS,
  STOCK,
  WrongOutputError,
} from '../kernels.js';
import { FirstTimes, measure, type Runner } from '../measure.js';
import type { NetworkResult } from '../networks/bench.js';
import type { BaselineGraph } from '../onnx/baseline.js';
import type { OrtSession } from '../onnx/session.js';
import { deaotManifest } from '../weights/deaot.js';
import {
  disposeFrameInputs,
  exportedFeeds,
  type FrameInputs,
  frameIdValues,
  frameLogits,
  loadDeAot,
  makeFrameInputs,
  readLogits,
  traceFrame,
} from './frame.js';
import { startTracker, syntheticFrame } from './scene.js';

/** What is told about a tracker apart from its times. */
export interface ModelResult extends NetworkResult {
  /** Size that frames are resized to. */
  readonly network: Size;
}

/**
 * Frames of a video with one object. Ours is the tracker as users run it: pixels in, preprocessing, encoder, propagation,
 * decoder, labels out, memory updated. The others do a little less, so that the ratios understate ours: the unfused twin
 * gets a preprocessed image and stops at logits and ID values, ONNX Runtime runs encoder, propagation and decoder only,
 * with the memory as inputs.
 */
export async function benchDeAot(name: DeAotName, size: Size, context: BenchContext): Promise<ModelResult> {
  const { runtime, ort, ortProviders, exported, withoutTwin, options, onNote } = context;
  const benchmark = `${name}@${size.height}x${size.width}`;
  const network = networkSize(size.height, size.width, DEAOT_CONFIGS[name].alignCorners);
  const model = await loadDeAot(name, fusedOps);
  const { pixels } = syntheticFrame(size, 1, 1);
  const inputs = makeFrameInputs(name, network);
  const sessions: OrtSession[] = [];
  const runners: Runner[] = [];
  const errors: Record<string, number> = {};
  const first = new FirstTimes();
  const { flops, result: ours } = await countFlops(runtime, () =>
    first.of(OURS, () => logitsOf(runtime, model, inputs)),
  );
  runtime.trim();
  // The network's shaders are compiled now, and the latency is the tracker's.
  const { tracker, ...told } = await meetTracker(runtime, model, size);
  const twin = withoutTwin ? undefined : await meetTwin(runtime, model, { name, size, benchmark }, inputs, ours, first);
  if (twin) {
    errors[STOCK] = twin.error;
    runners.push(twin.runner);
  }

  let graph: BaselineGraph | undefined;
  if (ort) {
    graph = exported
      ? await exported.open({
          benchmark,
          feeds: await exportedFeeds(runtime, inputs),
          output: { name: 'logits', size: ours.length },
          weights: deaotManifest(DEAOT_CONFIGS[name]),
        })
      : await traceFrame(runtime, name, inputs);
    const { model: graphModel, feeds, fromOnnx } = graph;
    for (const provider of ortProviders) {
      const runner = ORT_RUNNERS[provider];
      try {
        const [session, outputs] = await first.of(runner, () => firstRun(ort, graphModel, provider, feeds));
        sessions.push(session);
        errors[runner] = checkOutput(benchmark, runner, fromOnnx(outputs), ours);
        runners.push({
          name: runner,
          run: async (count) => {
            for (let i = 0; i < count; i++) await session.run();
          },
        });
      } catch (error) {
        if (error instanceof WrongOutputError) throw error;
        onNote(`${benchmark}: ${runner} failed: ${(error as Error).message}`);
      }
    }
  }
  runners.unshift({
    name: OURS,
    run: async (count) => {
      for (let i = 0; i < count; i++) await tracker.step(pixels);
    },
  });
  const measured = Object.fromEntries(await measure(runners, { ...options, sampleMs: options.warmMs ?? 0 }));

  for (const disposable of [tracker, model, twin]) disposable?.dispose();
  disposeFrameInputs(inputs);
  for (const session of sessions) await session.release();
  runtime.trim();
  return {
    name: benchmark,
    network,
    flops,
    runners: measured,
    ratios: compareRunners(measured, ({ wall }) => wall.median),
    cpuRatios: compareRunners(measured, ({ cpu }) => cpu?.median),
    errors,
    firstMs: first.byRunner,
    ...told,
    ...(graph ? { graph: graph.graph } : {}),
    fps: 1000 / measured[OURS]!.wall.median,
  };
}

/** A tracker in the middle of a video, and what is told about it apart from its speed. */
async function meetTracker(runtime: Runtime, model: DeAot, size: Size) {
  const { pixels } = syntheticFrame(size, 1, 1);
  const start = performance.now();
  // The memory stays what ONNX Runtime's graph has, one frame, however many are timed.
  const tracker = startTracker(model, size, 1, { longTermGap: Number.POSITIVE_INFINITY });
  await tracker.step(pixels);
  const firstResultMs = performance.now() - start;
  const before = runtime.dispatchCount;
  await tracker.step(pixels);
  return {
    tracker,
    firstResultMs,
    dispatches: runtime.dispatchCount - before,
    peakGpuBytes: runtime.memory().allocatedBytes,
  };
}

/** The same from stock operations, its outputs compared with ours. */
async function meetTwin(
  runtime: Runtime,
  model: DeAot,
  { name, size, benchmark }: { name: DeAotName; size: Size; benchmark: string },
  inputs: FrameInputs,
  ours: Float32Array,
  first: FirstTimes,
) {
  const twin = await loadDeAot(name, stockOps);
  const logits = await first.of(STOCK, () => logitsOf(runtime, twin, inputs));
  const error = checkOutput(benchmark, STOCK, logits, ours);
  const labels = tensor(syntheticFrame(size, 1, 1).labels, [size.height, size.width], 'int32');
  const runner: Runner = {
    name: STOCK,
    run: async (count) => {
      for (let i = 0; i < count; i++) {
        dispose([frameLogits(twin, inputs), ...frameIdValues(twin, inputs, labels)]);
        await runtime.finish();
      }
    },
  };
  const [ids, twinIds] = [model, twin].map((m) => frameIdValues(m, inputs, labels));
  for (const [layer, values] of ids!.entries()) {
    const expected = new Float32Array(await runtime.read(values));
    checkOutput(`${benchmark}, ID values`, STOCK, new Float32Array(await runtime.read(twinIds![layer]!)), expected);
  }
  dispose([...ids!, ...twinIds!]);
  return {
    error,
    runner,
    dispose: () => {
      twin.dispose();
      labels.dispose();
    },
  };
}

async function logitsOf(runtime: Runtime, model: DeAot, inputs: FrameInputs) {
  const logits = frameLogits(model, inputs);
  const values = await readLogits(runtime, logits);
  logits.dispose();
  return values;
}

/**
 * CPU time of a replayed dispatch, in microseconds: `propagate` without waiting for the GPU, on Dawn's null backend, so
 * that no driver and no software rasteriser share the CPU. The upload of the frame's pixels is not counted.
 */
export async function benchReplay(runtime: Runtime, name: DeAotName, size: Size, rounds: number): Promise<number[]> {
  const model = await loadDeAot(name, fusedOps);
  const inputs = makeFrameInputs(name, networkSize(size.height, size.width, model.config.alignCorners));
  const graph = runtime.capture(() => frameLogits(model, inputs));
  const replays = 20;
  const samples: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    await runtime.finish();
    const start = performance.now();
    for (let i = 0; i < replays; i++) graph.replay();
    // The first round fills caches.
    if (round > 0) samples.push(((performance.now() - start) * 1000) / replays / graph.steps.length);
  }
  await runtime.finish();
  graph.dispose();
  disposeFrameInputs(inputs);
  model.dispose();
  return samples;
}
