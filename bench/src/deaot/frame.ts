import type { Engine, OpSet } from '@samtrack/kernels';
import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import { DEAOT_CONFIGS, DeAot, type DeAotName, openManifest, type Size, tokenGrid } from '@samtrack/models';
import { concat, dispose, type Tensor, tidy, transpose } from '@tensorflow/tfjs-core';
import { toChannelsFirst, toChannelsLast } from '../kernels.js';
import type { BaselineGraph } from '../onnx/baseline.js';
import type { OrtInput } from '../onnx/session.js';
import { OnnxTracer } from '../onnx/tracer.js';
import { deaotManifest } from '../weights/deaot.js';

const KEY = 128;
const VALUE = 512;
/** Logits that mean something; the last of the twelve is padding. */
const CLASSES = 11;
const LOGITS = 12;

/** Loads a model with procedural weights on a set of operations. */
export const loadDeAot = (name: DeAotName, ops: OpSet): Promise<DeAot> =>
  DeAot.load(openManifest(deaotManifest(DEAOT_CONFIGS[name])), DEAOT_CONFIGS[name], { ops });

/** A frame's image and the memory of one frame, which is what the per-frame graph takes. */
export interface FrameInputs {
  /** [H, W, 4], the fourth channel zero. */
  image: Tensor;
  /** By layer. */
  memory: {
    keys: Tensor;
    value: Tensor;
    idValue: Tensor;
    shortKey: Tensor;
    shortValue: Tensor;
    shortIdValue: Tensor;
  }[];
}

/** Random, the same every time. */
export function makeFrameInputs(name: DeAotName, network: Size): FrameInputs {
  const config = DEAOT_CONFIGS[name];
  const grid = tokenGrid(network, config.alignCorners);
  const tokens = grid.height * grid.width;
  const capacity = Math.ceil(tokens / 4) * 4;
  const image = randomTensor([network.height, network.width, 4], 1);
  for (let i = 3; i < image.values.length; i += 4) image.values[i] = 0;
  return {
    image: toTensor(image),
    memory: Array.from({ length: config.layers }, (_, layer) => {
      const random = (shape: number[], keyValue: number) => toTensor(randomTensor(shape, 10 * layer + keyValue));
      return {
        keys: random([KEY, capacity], 2),
        value: random([capacity, VALUE], 3),
        idValue: random([capacity, VALUE], 4),
        shortKey: random([tokens, KEY], 5),
        shortValue: random([tokens, VALUE], 6),
        shortIdValue: random([tokens, VALUE], 7),
      };
    }),
  };
}

export const disposeFrameInputs = ({ image, memory }: FrameInputs) =>
  dispose([image, ...memory.flatMap(Object.values)]);

/** Encoder, propagation over a memory of one frame, and decoder: logits [h4, w4, 12]. */
export function frameLogits(model: DeAot, { image, memory }: FrameInputs): Tensor {
  return tidy(() => {
    const features = model.encode(image);
    const tokens = features.grid.height * features.grid.width;
    const { out, keyValues } = model.propagate(features, (layer) => {
      const { keys, value, idValue, shortKey, shortValue, shortIdValue } = memory[layer]!;
      return {
        long: { keys, value, idValue, tokens },
        short: { key: shortKey, value: shortValue, idValue: shortIdValue },
      };
    });
    dispose(keyValues as never);
    return model.decode(out, features);
  });
}

/** What updates the memory after a frame: identity embedding of its labels and the ID values of every layer. */
export function frameIdValues(model: DeAot, inputs: FrameInputs, labels: Tensor): Tensor[] {
  const [height, width] = inputs.image.shape as [number, number];
  return tidy(() => {
    const embedding = model.embedIds(labels, { height, width }, 0);
    return inputs.memory.map(({ shortKey, shortValue }, layer) =>
      model.idValue(
        layer,
        { key: shortKey, value: shortValue, normalised: normalisedSeed(layer, embedding) },
        embedding,
      ),
    );
  });
}

/** Layers after the first see the normalised ID stream beside the embedding; any values do for a benchmark. */
const normalisedSeed = (layer: number, embedding: Tensor): Tensor | undefined =>
  layer === 0 ? undefined : concat([embedding, embedding], 1);

/** Values of the logits without the padding. */
export async function readLogits(engine: Engine, logits: Tensor): Promise<Float32Array> {
  return withoutPadding(new Float32Array(await engine.read(logits)));
}

function withoutPadding(values: Float32Array): Float32Array {
  const pixels = values.length / LOGITS;
  const out = new Float32Array(pixels * CLASSES);
  for (let i = 0; i < pixels; i++) out.set(values.subarray(i * LOGITS, i * LOGITS + CLASSES), i * CLASSES);
  return out;
}

/** The image in ONNX's layout. */
async function imageFeed(engine: Engine, image: Tensor): Promise<OrtInput> {
  const [height, width] = image.shape as [number, number];
  const planes = toChannelsFirst(new Float32Array(await engine.read(image)), 4);
  return { values: planes.slice(0, 3 * height * width), shape: [1, 3, height, width] };
}

/** The inputs as a graph exported from PyTorch has them: tokens in rows, without the padding that our kernels like. */
export async function exportedFeeds(engine: Engine, { image, memory }: FrameInputs): Promise<Record<string, OrtInput>> {
  const feeds: Record<string, OrtInput> = { image: await imageFeed(engine, image) };
  for (const [layer, tensors] of memory.entries()) {
    const tokens = tensors.shortKey.shape[0]!;
    const add = async (name: string, rows: Tensor) => {
      const channels = rows.shape[1]!;
      const values = new Float32Array(await engine.read(rows)).slice(0, tokens * channels);
      feeds[`${name}_${layer}`] = { values, shape: [1, tokens, channels] };
    };
    const longKey = transpose(tensors.keys);
    await add('long_key', longKey);
    longKey.dispose();
    await add('long_value', tensors.value);
    await add('long_id_value', tensors.idValue);
    await add('short_key', tensors.shortKey);
    await add('short_value', tensors.shortValue);
    await add('short_id_value', tensors.shortIdValue);
  }
  return feeds;
}

/**
 * The per-frame graph as ONNX: made by running the model once on the tracer. Memory is an input, since it changes with
 * every frame.
 */
export async function traceFrame(engine: Engine, name: DeAotName, inputs: FrameInputs): Promise<BaselineGraph> {
  const read = async (tensor: Tensor) => new Float32Array(await engine.read(tensor));
  const tracer = new OnnxTracer();
  const model = await loadDeAot(name, tracer.ops);
  try {
    tracer.imageInput('image', inputs.image, 3);
    const feeds: Record<string, OrtInput> = { image: await imageFeed(engine, inputs.image) };
    for (const [layer, memory] of inputs.memory.entries()) {
      for (const [key, tensor] of Object.entries(memory)) {
        tracer.input(`${key}${layer}`, tensor);
        feeds[`${key}${layer}`] = { values: await read(tensor), shape: tensor.shape };
      }
    }
    const logits = frameLogits(model, inputs);
    const { name: output } = tracer.output(logits);
    logits.dispose();
    return {
      ...(await tracer.finish()),
      graph: 'traced',
      feeds,
      fromOnnx: (outputs) => withoutPadding(toChannelsLast(outputs[output]!, LOGITS)),
    };
  } finally {
    model.dispose();
  }
}
