import { type Engine, fusedOps, type Runtime } from '@samtrack/kernels';
import { DEAOT_CONFIGS, type DeAotName, networkSize, type Size } from '@samtrack/models';
import { dispose, tensor } from '@tensorflow/tfjs-core';
import type { BenchedModel } from '../model.js';
import { deaotManifest } from '../weights/deaot.js';
import {
  disposeFrameInputs,
  exportedFeeds,
  frameIdValues,
  frameLogits,
  loadDeAot,
  makeFrameInputs,
  readLogits,
  traceFrame,
} from './frame.js';
import { startTracker, syntheticFrame } from './scene.js';

/**
 * Frames of a video with one object. Ours is the tracker as users run it: pixels in, preprocessing, encoder, propagation,
 * decoder, labels out, memory updated. The others do a little less, so that the ratios understate ours: the unfused twin
 * gets a preprocessed image and stops at logits and ID values, ONNX Runtime runs encoder, propagation and decoder only,
 * with the memory as inputs.
 */
export function benchedDeAot(engine: Engine, name: DeAotName, size: Size): BenchedModel {
  const benchmark = `${name}@${size.height}x${size.width}`;
  const inputs = makeFrameInputs(name, networkSize(size.height, size.width, DEAOT_CONFIGS[name].alignCorners));
  const frame = syntheticFrame(size, 1, 1);
  const labels = tensor(frame.labels, [size.height, size.width], 'int32');
  return {
    name: benchmark,
    load: async (ops) => {
      const model = await loadDeAot(name, ops);
      return {
        values: async () => {
          const logits = frameLogits(model, inputs);
          const values = await readLogits(engine, logits);
          logits.dispose();
          return values;
        },
        others: async () => {
          const values: Record<string, Float32Array> = {};
          for (const [layer, tensor] of frameIdValues(model, inputs, labels).entries()) {
            values[`ID values ${layer}`] = new Float32Array(await engine.read(tensor));
            tensor.dispose();
          }
          return values;
        },
        run: () => {
          dispose([frameLogits(model, inputs), ...frameIdValues(model, inputs, labels)]);
          return engine.finish();
        },
        begin: async () => {
          // The memory stays what ONNX Runtime's graph has, one frame, however many are timed.
          const tracker = startTracker(model, size, 1, { longTermGap: Number.POSITIVE_INFINITY });
          const run = () => tracker.step(1, frame.pixels);
          await run();
          return { run, dispose: () => tracker.dispose() };
        },
        dispose: () => model.dispose(),
      };
    },
    graph: async (length, exported) =>
      exported
        ? exported.open({
            benchmark,
            feeds: await exportedFeeds(engine, inputs),
            output: { name: 'logits', size: length },
            weights: deaotManifest(DEAOT_CONFIGS[name]),
          })
        : traceFrame(engine, name, inputs),
    dispose: () => {
      disposeFrameInputs(inputs);
      labels.dispose();
    },
  };
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
