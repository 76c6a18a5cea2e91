/**
 * Graphs that `bench/onnx` exported from PyTorch. The fixture is a network of a few hundred weights, written by
 * `bench/onnx/tests/toy.py`; Python is not needed here.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getEngine, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import {
  DEAOT_CONFIGS,
  GROUNDING_DINO_CONFIGS,
  type Manifest,
  openManifest,
  proceduralTensor,
  VIT_DET_CONFIGS,
} from '@samtrack/models';
import { groundingDinoManifest } from '@samtrack/models/testing';
import {
  add,
  conv2d,
  dispose,
  gather,
  matMul,
  mul,
  relu,
  reshape,
  type Tensor3D,
  tensor,
  tensor1d,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseArguments, UsageError } from '../src/arguments.js';
import { type BenchContext, ORT_CPU, WrongOutputError } from '../src/contest.js';
import { benchModel } from '../src/model.js';
import { MODELS } from '../src/names.js';
import { benchedNetwork } from '../src/networks/bench.js';
import type { Network } from '../src/networks/network.js';
import type { GraphRequest } from '../src/onnx/baseline.js';
import { digestOf, ExternalGraphs } from '../src/onnx/external.js';
import { ExternalGraphError } from '../src/onnx/external-error.js';
import { loadOnnxRuntime } from '../src/onnx/session.js';
import { deaotManifest } from '../src/weights/deaot.js';
import { Recipe } from '../src/weights/recipe.js';
import { samDecoderManifest, samEncoderManifest } from '../src/weights/sam.js';

const FIXTURE = fileURLToPath(new URL('fixtures/onnx', import.meta.url));
const TOY = 'toy@6x8';
const SELECTED = [2, 40, 2, 11, 30];

const ort = await loadOnnxRuntime();

function toyManifest(): Manifest {
  const recipe = new Recipe();
  recipe.layer('conv', [8, 3, 3, 3]);
  recipe.layer('linear', [4, 8]);
  return recipe.manifest;
}

const selected = { values: BigInt64Array.from(SELECTED, BigInt), shape: [SELECTED.length] };

const request = (): GraphRequest => ({
  benchmark: TOY,
  feeds: {
    image: { values: new Float32Array(3 * 6 * 8), shape: [1, 3, 6, 8] },
    rows: { values: new Float32Array(5 * 4), shape: [5, 4] },
    selected,
  },
  output: { name: 'out', size: 20 },
  weights: toyManifest(),
});

/** What `toy.py` is in PyTorch. @param factor Of the result, which is 1. */
function toyNetwork(factor = 1): Network {
  return {
    name: TOY,
    flops: 0,
    weights: toyManifest,
    makeInputs: async () => ({
      image: toTensor(randomTensor([6, 8, 3], 1)),
      rows: { rows: toTensor(randomTensor([5, 4], 2)) },
    }),
    load: async () => {
      const checkpoint = openManifest(toyManifest());
      const weights = await Promise.all(
        ['conv.weight', 'conv.bias', 'linear.weight', 'linear.bias'].map(async (key) => {
          const { data, shape } = await checkpoint.read(key);
          return tensor(data as Float32Array, [...shape]);
        }),
      );
      return {
        run: async ({ image, rows }) =>
          tidy(() => {
            const [filters, shifts, matrix, bias] = weights as never[];
            const features = add(conv2d(image as Tensor3D, transpose(filters, [2, 3, 1, 0]), 1, 'same'), shifts);
            const tokens = gather(reshape(relu(features), [48, 8]), tensor1d(SELECTED, 'int32'));
            return mul(mul(add(matMul(tokens, matrix, false, true), bias), rows['rows']!), factor);
          }),
        decisions: () => ({ selected }),
        dispose: () => dispose(weights),
      };
    },
  };
}

describe.skipIf(!ort)('an exported graph (skipped where onnxruntime-node is not installed)', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await initialize();
  });
  afterAll(() => shutdown(runtime));

  const context = (): BenchContext => ({
    runtime,
    ort,
    ortProviders: ['cpu'],
    exported: new ExternalGraphs(FIXTURE),
    options: { rounds: 1, sampleMs: 0 },
    onNote: (message) => expect.unreachable(message),
  });
  const bench = async (network: Network) => benchModel(() => benchedNetwork(getEngine(), network), context(), false);

  it('is what ONNX Runtime runs, once its output agrees', async () => {
    const result = await bench(toyNetwork());
    expect(result.graph).toBe('pytorch 2.15.0');
    expect(result.errors[ORT_CPU]).toBeLessThan(1e-10);
    expect(result.runners[ORT_CPU]!.wall.median).toBeGreaterThan(0);
  });

  it('ends the run where its output does not', async () => {
    await expect(bench(toyNetwork(1.01))).rejects.toThrow(WrongOutputError);
  });

  it('may have its weights in a file of their own', async () => {
    const { errors } = await bench({ ...toyNetwork(), name: 'toy-apart@6x8' });
    expect(errors[ORT_CPU]).toBeLessThan(1e-10);
  });

  it('gives images with their channels first', async () => {
    const graphs = new ExternalGraphs(FIXTURE);
    const { model, feeds, fromOnnx } = await graphs.open({ ...request(), output: { name: 'map', size: 384 } });
    const session = await ort!.session({ model }, 'cpu', feeds);
    const map = fromOnnx(await session.run());
    await session.release();
    const bias = proceduralTensor('conv.bias', [8], 0.1, 0, 7);
    // Of an empty image, all that is left is the bias.
    expect([...map.subarray(0, 8)]).toEqual([...bias].map((value) => Math.max(value, 0)));
  });
});

describe('a folder of exported graphs', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'samtrack-onnx-'));
    cpSync(FIXTURE, folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  type Description = Record<string, never> & { inputs: Record<string, unknown>[]; files: Record<string, string> };
  const change = (edit: (description: Description) => void) => {
    const file = join(folder, `${TOY}.json`);
    const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
    edit(description);
    writeFileSync(file, JSON.stringify(description));
  };
  const refusal = async (changed: Partial<GraphRequest> = {}) => {
    const error: unknown = await new ExternalGraphs(folder).open({ ...request(), ...changed }).catch((e) => e);
    expect(error).toBeInstanceOf(ExternalGraphError);
    return (error as Error).message;
  };

  it('is opened as it is', async () => {
    const graph = await new ExternalGraphs(folder).open(request());
    expect(graph.model).toBe(join(folder, `${TOY}.onnx`));
  });

  it('says which file it lacks, and how to make it', async () => {
    expect(() => new ExternalGraphs(folder).require([TOY, 'deaot-t@161x193'])).toThrow(
      `There is no ${join(folder, 'deaot-t@161x193.json')}. It is made by: python -m samtrack_onnx --model deaot-t --size 161x193`,
    );
    rmSync(join(folder, `${TOY}.onnx`));
    expect(await refusal()).toContain(`There is no ${join(folder, `${TOY}.onnx`)}`);
  });

  it('says that the weights beside a graph are missing', async () => {
    change(({ files }) => {
      files[`${TOY}.onnx.data`] = '00';
    });
    expect(await refusal()).toContain(`There is no ${join(folder, `${TOY}.onnx.data`)}`);
  });

  it('does not take a damaged graph', async () => {
    const file = join(folder, `${TOY}.onnx`);
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await refusal()).toContain(`${file} is not the file that`);
  });

  it('does not take a description that is none, nor files of other folders', async () => {
    writeFileSync(join(folder, `${TOY}.json`), '{"schema": 1');
    expect(await refusal()).toMatch(/toy@6x8\.json is not JSON/);
    writeFileSync(join(folder, `${TOY}.json`), '[]');
    expect(await refusal()).toContain('"schema" is not 1');
    cpSync(FIXTURE, folder, { recursive: true });
    change(({ inputs }) => {
      inputs[0]!['shape'] = [1, 3, 'six', 8];
    });
    expect(await refusal()).toContain('"inputs" is not a list of names, types, shapes and layouts');
    cpSync(FIXTURE, folder, { recursive: true });
    change(({ files }) => {
      files['../elsewhere.onnx'] = '00';
    });
    expect(await refusal()).toContain('"files" is not names of files');
  });

  it('names the input, output or weights that do not fit', async () => {
    const { image, rows } = request().feeds;
    expect(await refusal({ feeds: { image: image!, rows: rows! } })).toContain('the graph has an input "selected"');
    expect(await refusal({ feeds: { ...request().feeds, memory: rows! } })).toContain(
      'the graph has no input "memory"',
    );
    const wide = { values: new Float32Array(3 * 6 * 9), shape: [1, 3, 6, 9] };
    expect(await refusal({ feeds: { ...request().feeds, image: wide } })).toContain(
      `the input "image" is float32 [1, 3, 6, 8] (NCHW), but ${TOY} has float32 [1, 3, 6, 9] (NCHW)`,
    );
    const numbers = { values: new Float32Array(5), shape: [5] };
    expect(await refusal({ feeds: { ...request().feeds, selected: numbers } })).toContain('int64 [5] (rows)');
    expect(await refusal({ output: { name: 'logits', size: 20 } })).toContain('the graph has no output "logits"');
    expect(await refusal({ output: { name: 'out', size: 21 } })).toContain('but toy@6x8 has 21 values');
    expect(await refusal({ weights: { ...toyManifest(), seed: 8 } })).toContain("the graph's weights are others");
    expect(await refusal({ weights: new Recipe().manifest })).toContain("the graph's weights are others");
    change((description) => Object.assign(description, { benchmark: 'toy@6x9' }));
    expect(await refusal()).toContain('the graph is for toy@6x9, not for toy@6x8');
  });
});

describe('weights here and in bench/onnx', () => {
  interface Recipes {
    readonly recipes: Readonly<Record<string, string>>;
    readonly tensors: readonly {
      name: string;
      shape: number[];
      scale: number;
      offset: number;
      seed: number;
      sha256: string;
    }[];
  }
  const { recipes, tensors } = JSON.parse(
    readFileSync(new URL('../onnx/tests/recipes.json', import.meta.url), 'utf8'),
  ) as Recipes;

  /** Without what an exported graph has no use for. */
  const digests: Record<string, string> = {
    'sam-decoder': digestOf(samDecoderManifest(), ['patch_embed.', 'pos_embed', 'blocks.', 'neck.']),
    'grounding-dino-t': digestOf(groundingDinoManifest(GROUNDING_DINO_CONFIGS['grounding-dino-t'], 7), [
      'bert.',
      'feat_map.',
    ]),
  };
  for (const config of Object.values(DEAOT_CONFIGS)) digests[config.name] = digestOf(deaotManifest(config));
  for (const [name, config] of Object.entries(VIT_DET_CONFIGS))
    digests[`sam-${name}`] = digestOf(samEncoderManifest(config));

  it.each(MODELS)('have the same recipe: %s', (model) => {
    expect(digests[model]).toBe(recipes[model]);
  });

  it.each(tensors)('have the same values: $name', ({ name, shape, scale, offset, seed, sha256 }) => {
    const values = proceduralTensor(name, shape, scale, offset, seed);
    expect(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')).toBe(sha256);
  });

  it('depend on every number of a recipe, and on nothing else', () => {
    const manifest = toyManifest();
    const { seed, tensors: entries } = manifest;
    expect(digestOf({ seed, tensors: [...entries].reverse() })).toBe(digestOf(manifest));
    expect(digestOf({ seed, tensors: [...entries, { name: 'other', alias: 'conv.bias' }] })).toBe(digestOf(manifest));
    expect(digestOf(manifest, ['linear.'])).not.toBe(digestOf(manifest));
    const changed = entries.map((entry) =>
      'scale' in entry ? { ...entry, scale: entry.scale * (1 + 2 ** -52) } : entry,
    );
    expect(digestOf({ seed, tensors: changed })).not.toBe(digestOf(manifest));
  });
});

describe('--onnx', () => {
  it('takes a folder, in Node', () => {
    expect(parseArguments(['--onnx', 'graphs']).onnx).toBe('graphs');
    expect(() => parseArguments(['--onnx'])).toThrow(UsageError);
    expect(() => parseArguments(['--onnx', 'graphs', '--chromium'])).toThrow('--onnx runs in Node');
  });
});
