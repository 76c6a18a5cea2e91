import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@samtrack/models';
import { toChannelsLast } from '../kernels.js';
import type { BaselineGraph, ExportedGraphs, GraphRequest } from './baseline.js';
import { type GraphDescription, type PortDescription, parseDescription } from './external-description.js';
import { ExternalGraphError } from './external-error.js';
import type { OrtInput } from './session.js';

/**
 * A folder of graphs that `bench/onnx` exported from PyTorch: `NAME@SIZE.onnx`, large models with `NAME@SIZE.onnx.data`, and
 * `NAME@SIZE.json`, which tells what is in them.
 */
export class ExternalGraphs implements ExportedGraphs {
  constructor(private readonly folder: string) {}

  /** @throws ExternalGraphError naming the first file that is not there, before a long run finds out */
  require(benchmarks: readonly string[]): void {
    for (const benchmark of benchmarks) {
      for (const ending of ['json', 'onnx']) {
        if (!existsSync(this.#file(`${benchmark}.${ending}`))) throw this.#missing(benchmark, `${benchmark}.${ending}`);
      }
    }
  }

  async open(request: GraphRequest): Promise<BaselineGraph> {
    const { benchmark, feeds } = request;
    this.require([benchmark]);
    const file = this.#file(`${benchmark}.json`);
    const description = parseDescription(readFileSync(file, 'utf8'), file);
    checkFit(description, request, file);
    const model = `${benchmark}.onnx`;
    if (!(model in description.files)) throw new ExternalGraphError(`${file} says nothing of ${model}.`);
    for (const [name, expected] of Object.entries(description.files)) {
      if (!existsSync(this.#file(name))) throw this.#missing(benchmark, name);
      const actual = await sha256(this.#file(name));
      if (actual !== expected) {
        throw new ExternalGraphError(
          `${this.#file(name)} is not the file that ${file} describes: its SHA-256 is ${actual}.`,
        );
      }
    }
    const output = description.outputs.find(({ name }) => name === request.output.name)!;
    return {
      model: this.#file(model),
      graph: `pytorch ${description.torch}`,
      feeds,
      fromOnnx: (outputs) => {
        const values = outputs[output.name]!;
        return output.layout === 'NCHW' ? toChannelsLast(values, output.shape[1]!) : values;
      },
    };
  }

  #file(name: string): string {
    return join(this.folder, name);
  }

  #missing(benchmark: string, name: string): ExternalGraphError {
    const [model, size] = benchmark.split('@');
    return new ExternalGraphError(
      `There is no ${this.#file(name)}. It is made by: python -m samtrack_onnx --model ${model} --size ${size} --out ${this.folder} (bench/onnx/README.md).`,
    );
  }
}

/** @throws ExternalGraphError naming the input, output or weights that differ from what the benchmark has */
function checkFit(description: GraphDescription, request: GraphRequest, file: string): void {
  const { benchmark, feeds, output, weights } = request;
  const refuse = (message: string) => new ExternalGraphError(`${file}: ${message}`);
  if (description.benchmark !== benchmark)
    throw refuse(`the graph is for ${description.benchmark}, not for ${benchmark}.`);
  const { seed, omitted, sha256: expected } = description.weights;
  if (seed !== weights.seed || expected !== digestOf(weights, omitted)) {
    throw refuse(`the graph's weights are others than those of ${benchmark} here; export it again.`);
  }
  const described = new Map(description.inputs.map((port) => [port.name, port]));
  for (const [name, feed] of Object.entries(feeds)) {
    const port = described.get(name);
    if (!port) throw refuse(`the graph has no input "${name}".`);
    const [theirs, ours] = [describePort(port), describePort(portOf(name, feed))];
    if (theirs !== ours) throw refuse(`the input "${name}" is ${theirs}, but ${benchmark} has ${ours}.`);
  }
  for (const { name } of description.inputs) {
    if (!(name in feeds)) throw refuse(`the graph has an input "${name}", which ${benchmark} does not have.`);
  }
  const found = description.outputs.find(({ name }) => name === output.name);
  if (!found) throw refuse(`the graph has no output "${output.name}".`);
  if (product(found.shape) !== output.size) {
    throw refuse(`the output "${output.name}" is ${describePort(found)}, but ${benchmark} has ${output.size} values.`);
  }
}

const portOf = (name: string, { values, shape }: OrtInput): PortDescription => ({
  name,
  shape,
  type: values instanceof Float32Array ? 'float32' : 'int64',
  layout: shape.length === 4 ? 'NCHW' : 'rows',
});

const describePort = ({ type, shape, layout }: PortDescription): string => `${type} [${shape.join(', ')}] (${layout})`;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * SHA-256 of a recipe for weights, whatever the order of its tensors; `bench/onnx/samtrack_onnx/procedural.py` computes the
 * same. Tensors that share the storage of others do not count.
 * @param omitted Beginnings of keys that do not count either.
 */
export function digestOf({ seed, tensors }: Manifest, omitted: readonly string[] = []): string {
  const lines = tensors.flatMap((tensor) => {
    if ('alias' in tensor || omitted.some((prefix) => tensor.name.startsWith(prefix))) return [];
    return [`${tensor.name} ${tensor.shape.join(',')} ${hexOf(tensor.scale)} ${hexOf(tensor.offset)}`];
  });
  const text = [`seed ${seed}`, ...lines.sort()].join('\n');
  return createHash('sha256').update(text).digest('hex');
}

/** The bits of a float64. */
function hexOf(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}

/** Of a file, in parts: those of large models have gigabytes. */
async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: 2 ** 22 })) hash.update(part as Buffer);
  return hash.digest('hex');
}
