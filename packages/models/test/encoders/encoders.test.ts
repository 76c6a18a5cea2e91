import { readFileSync } from 'node:fs';
import { fusedOps, initialize, type OpSet, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { dispose, memory, type Tensor, tensor3d } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManifest, proceduralTensor, WeightReader } from '../../src/checkpoint/index.js';
import { MobileNetV2, ResNet50, type SwinConfig, SwinTransformer } from '../../src/encoders/index.js';

/** What `generate.py` writes. */
interface Fixture {
  seed: number;
  image: [channels: number, height: number, width: number];
  config: SwinConfig;
  tensors: [name: string, shape: number[], scale: number, offset: number][];
  maps: { shape: number[]; step: number; values: number[] }[];
}

interface Network {
  forward(image: Tensor): Tensor[];
}

const PREFIX = 'encoder.';

/** Every network, reduced to a list of maps. */
const NETWORKS: Record<string, (weights: WeightReader, ops: OpSet, fixture: Fixture) => Promise<Network>> = {
  'mobilenet-v2': async (weights, ops) => asNetwork(await MobileNetV2.load(weights, PREFIX, ops)),
  'resnet-50': async (weights, ops) => asNetwork(await ResNet50.load(weights, PREFIX, ops)),
  swin: (weights, ops, { config }) => SwinTransformer.load(weights, PREFIX, ops, config),
};

function asNetwork(encoder: MobileNetV2 | ResNet50): Network {
  return {
    forward: (image) => {
      const { f4, f8, f16, last } = encoder.forward(image);
      return [f4, f8, f16, last];
    },
  };
}

const readFixture = (name: string): Fixture =>
  JSON.parse(readFileSync(new URL(`../fixtures/encoders/${name}.json`, import.meta.url), 'utf8'));

/** The recipe as a checkpoint; `prefix` goes before the keys, while the values stay those of the keys without it. */
function checkpointOf({ seed, tensors }: Fixture) {
  const recipes = tensors.map(([name, shape, scale, offset]) => ({ name, shape, scale, offset }));
  const aliases = recipes.map(({ name }) => ({ name: PREFIX + name, alias: name }));
  return openManifest({ seed, tensors: [...recipes, ...aliases] });
}

/** [C, H, W] as an image with a zero channel. */
function imageOf({ seed, image }: Fixture): Tensor {
  const [channels, height, width] = image;
  const pixels = height * width;
  const source = proceduralTensor('image', [1, ...image], 2, 0, seed);
  const values = new Float32Array(pixels * 4);
  for (let c = 0; c < channels; c++) for (let i = 0; i < pixels; i++) values[i * 4 + c] = source[c * pixels + i]!;
  return tensor3d(values, [height, width, 4]);
}

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

describe.each(Object.keys(NETWORKS))('%s', (name) => {
  const fixture = readFixture(name);

  it.each([
    ['kernels', fusedOps],
    ['stock operations', stockOps],
  ])(
    'computes what PyTorch does, on %s',
    async (_, ops) => {
      const before = memory().numTensors;
      const weights = new WeightReader(checkpointOf(fixture));
      const network = await NETWORKS[name]!(weights, ops, fixture);
      expect(weights.finish().filter((key) => key.startsWith(PREFIX))).toEqual([]);
      const image = imageOf(fixture);
      const maps = network.forward(image);
      expect(maps.map((map) => map.shape)).toEqual(fixture.maps.map(({ shape }) => shape));
      for (const [i, { step, values }] of fixture.maps.entries()) {
        const data = await maps[i]!.data();
        runtime.throwIfFailed();
        let error = 0;
        let norm = 0;
        for (const [k, expected] of values.entries()) {
          error += (data[k * step]! - expected) ** 2;
          norm += expected ** 2;
        }
        expect(values.length).toBe(Math.ceil(data.length / step));
        expect(error / norm, `map ${i}`).toBeLessThan(1e-10);
      }
      dispose([...maps, image]);
      weights.handOver().dispose();
      expect(memory().numTensors).toBe(before);
    },
    300_000,
  );

  it('can be captured and replayed on another image', async () => {
    const weights = new WeightReader(checkpointOf(fixture));
    const network = await NETWORKS[name]!(weights, fusedOps, fixture);
    const image = imageOf(fixture);
    const graph = runtime.capture(() => network.forward(image));
    const values = proceduralTensor('another image', image.shape, 2, 0, fixture.seed);
    runtime.write(image, values);
    graph.replay();
    const replayed = await Promise.all(graph.result.map((map) => map.data()));
    const direct = network.forward(image);
    for (const [i, map] of direct.entries()) expect(replayed[i]).toEqual(await map.data());
    dispose(direct);
    graph.dispose();
    weights.handOver().dispose();
    image.dispose();
  });

  it('names a missing key', async () => {
    const removed = fixture.tensors.at(-1)![0];
    const weights = new WeightReader(checkpointOf({ ...fixture, tensors: fixture.tensors.slice(0, -1) }));
    await expect(NETWORKS[name]!(weights, fusedOps, fixture)).rejects.toMatchObject({
      code: 'missing-key',
      key: PREFIX + removed,
    });
  });
});
