import type { Engine } from '@samtrack/kernels';
import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import { toChannelsFirst, toChannelsLast } from '../kernels.js';
import type { BenchedModel } from '../model.js';
import type { BaselineGraph } from '../onnx/baseline.js';
import { withStockKernels } from '../onnx/stock-kernels.js';
import { OnnxTracer } from '../onnx/tracer.js';
import type { LoadedNetwork, Network, NetworkInputs } from './network.js';

/** A result's error where many layers follow each other; a wrong network is off by far more. */
const ERROR_LIMIT = 1e-6;

/** A network to be timed. Ours reads its result back, as ONNX Runtime does. */
export async function benchedNetwork(engine: Engine, network: Network): Promise<BenchedModel> {
  const inputs = await network.makeInputs();
  /** What the last run of ours, which is loaded first, decided. */
  let decisions: LoadedNetwork['decisions'];
  return {
    name: network.name,
    flops: network.flops,
    errorLimit: ERROR_LIMIT,
    load: async (ops) => {
      const loaded = await network.load(ops);
      decisions ??= loaded.decisions?.bind(loaded);
      const values = async () => {
        const out = await loaded.run(inputs);
        const data = new Float32Array(await engine.read(out));
        out.dispose();
        return data;
      };
      return {
        values,
        run: values,
        parts: async (onPart) => (await loaded.run(inputs, onPart)).dispose(),
        dispose: () => loaded.dispose(),
      };
    },
    graph: async (size, exported) => {
      const feeds = await feedsOf(engine, inputs);
      if (exported) {
        return exported.open({
          benchmark: network.name,
          feeds: { ...feeds, ...decisions?.() },
          output: { name: 'out', size },
          weights: network.weights(),
        });
      }
      return { ...(await traceNetwork(network, inputs)), feeds };
    },
    dispose: () => dispose([...(inputs.image ? [inputs.image] : []), ...Object.values(inputs.rows)]),
  };
}

/** The network as ONNX, made by running it once on the tracer. */
export async function traceNetwork(network: Network, inputs: NetworkInputs): Promise<Omit<BaselineGraph, 'feeds'>> {
  const tracer = new OnnxTracer();
  const loaded = await network.load(tracer.ops);
  try {
    if (inputs.image) tracer.imageInput('image', inputs.image, 3);
    for (const [name, rows] of Object.entries(inputs.rows)) tracer.input(name, rows);
    const out = await withStockKernels(tracer, () => loaded.run(inputs));
    const { name, layout } = tracer.output(out);
    const channels = out.shape.at(-1)!;
    out.dispose();
    return {
      ...(await tracer.finish()),
      graph: 'traced',
      fromOnnx: (outputs) => (layout === 'image' ? toChannelsLast(outputs[name]!, channels) : outputs[name]!),
    };
  } finally {
    loaded.dispose();
  }
}

/** The inputs in ONNX's layout. */
export async function feedsOf(engine: Engine, { image, rows }: NetworkInputs) {
  const read = async (tensor: Tensor) => new Float32Array(await engine.read(tensor));
  const feeds: Record<string, { values: Float32Array; shape: readonly number[] }> = {};
  if (image) {
    const [height, width, channels] = image.shape as [number, number, number];
    const planes = toChannelsFirst(await read(image), channels).slice(0, 3 * height * width);
    feeds['image'] = { values: planes, shape: [1, 3, height, width] };
  }
  for (const [name, tensor] of Object.entries(rows)) feeds[name] = { values: await read(tensor), shape: tensor.shape };
  return feeds;
}
