/**
 * Procedural weights: a checkpoint as a recipe. Every value is a pure function of a seed, the tensor's name and the element's index,
 * so a test can use full-size weights that nobody has to store.
 *
 * For a flat C-order index i, in uint32 arithmetic:
 *     h = fnv1a32(utf8(name)) XOR seed
 *     x = murmur3_finaliser(h + i * 0x9E3779B9)
 * and in float64:
 *     value = float32(offset + 2 * scale * ((x + 0.5) / 2^32 - 0.5))
 */
import { fnv1a } from '@samtrack/kernels/common';
import { elementCount } from './convert.js';
import { CheckpointError } from './error.js';
import type { Checkpoint, FloatTensor, RawTensor, ReadOptions, TensorInfo } from './types.js';

/** Larger than any tensor of a supported model (BERT's word embeddings have 2^24.5 elements). */
const MAX_ELEMENTS = 2 ** 30;

/** One tensor of a manifest; `alias` names the tensor whose storage it shares. */
export type ManifestTensor =
  | { readonly name: string; readonly shape: readonly number[]; readonly scale: number; readonly offset: number }
  | { readonly name: string; readonly alias: string };

/** `NAME.manifest.json`. */
export interface Manifest {
  /** uint32. */
  readonly seed: number;
  readonly tensors: readonly ManifestTensor[];
}

/** Values uniform in `[offset - scale, offset + scale]`, the same on every machine. See the head of this file. */
export function proceduralTensor(
  name: string,
  shape: readonly number[],
  scale: number,
  offset: number,
  seed: number,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elementCount(shape));
  const range = 2 * scale;
  let state = fnv1a(new TextEncoder().encode(name)) ^ seed;
  for (let i = 0; i < values.length; i++) {
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x = (x ^ (x >>> 16)) >>> 0;
    values[i] = offset + range * ((x + 0.5) * 2 ** -32 - 0.5);
    state = (state + 0x9e3779b9) | 0;
  }
  return values;
}

/** A manifest as a checkpoint. @throws CheckpointError `corrupt` if the manifest is not one */
export function openManifest(manifest: unknown, file = 'manifest'): Checkpoint {
  return new ProceduralCheckpoint(validate(manifest, file), file);
}

function validate(value: unknown, file: string): Manifest {
  const corrupt = (message: string) => new CheckpointError('corrupt', message, { file });
  const manifest = value as Manifest | null;
  if (typeof manifest !== 'object' || manifest === null) throw corrupt('a manifest is a JSON object');
  if (!Number.isSafeInteger(manifest.seed)) throw corrupt('a manifest has an integer "seed"');
  if (!Array.isArray(manifest.tensors)) throw corrupt('a manifest has an array "tensors"');
  manifest.tensors.forEach((tensor, index) => {
    if (typeof tensor?.name !== 'string') throw corrupt(`tensor ${index} of the manifest has no name`);
    if ('alias' in tensor) {
      if (typeof tensor.alias !== 'string') throw corrupt(`tensor "${tensor.name}" has an alias that is not a name`);
      return;
    }
    const { name, shape, scale, offset } = tensor;
    if (!Array.isArray(shape) || !shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
      throw corrupt(`tensor "${name}" has no valid shape`);
    }
    if (!Number.isFinite(scale) || !Number.isFinite(offset)) throw corrupt(`tensor "${name}" has no scale or offset`);
    if (!(elementCount(shape) <= MAX_ELEMENTS)) {
      throw new CheckpointError('too-large', `tensor "${name}" would have ${elementCount(shape)} elements`, {
        file,
        key: name,
      });
    }
  });
  return manifest;
}

interface Recipe {
  /** The name that is hashed: of an alias, the name it stands for. */
  readonly origin: string;
  readonly shape: readonly number[];
  readonly scale: number;
  readonly offset: number;
}

class ProceduralCheckpoint implements Checkpoint {
  readonly format = 'procedural';
  readonly file: string;
  readonly keys: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly #seed: number;
  readonly #recipes = new Map<string, Recipe>();

  constructor(manifest: Manifest, file: string) {
    this.file = file;
    this.#seed = manifest.seed;
    // What else the manifest says, such as a model's sizes, as JSON.
    const { tensors: _, ...rest } = manifest as Manifest & Record<string, unknown>;
    this.metadata = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, JSON.stringify(value)]));
    for (const tensor of manifest.tensors) {
      if (this.#recipes.has(tensor.name)) {
        throw new CheckpointError('corrupt', `tensor "${tensor.name}" stands twice`, { file, key: tensor.name });
      }
      this.#recipes.set(tensor.name, 'alias' in tensor ? this.#resolve(tensor) : { origin: tensor.name, ...tensor });
    }
    this.keys = [...this.#recipes.keys()];
  }

  /** An alias points back to a tensor that stands before it, as in the state dict it came from, so there are no cycles. */
  #resolve({ name, alias }: { name: string; alias: string }): Recipe {
    const recipe = this.#recipes.get(alias);
    if (!recipe) {
      throw new CheckpointError(
        'corrupt',
        `tensor "${name}" is an alias of "${alias}", which does not stand before it`,
        {
          file: this.file,
          key: name,
        },
      );
    }
    return recipe;
  }

  has(key: string): boolean {
    return this.#recipes.has(key);
  }

  info(key: string): TensorInfo {
    const { shape } = this.#recipe(key);
    return { key, dtype: 'f32', shape, byteLength: 4 * elementCount(shape) };
  }

  async read(key: string, options: ReadOptions = {}): Promise<FloatTensor> {
    options.signal?.throwIfAborted();
    const { origin, shape, scale, offset } = this.#recipe(key);
    return { dtype: 'f32', shape, data: proceduralTensor(origin, shape, scale, offset, this.#seed) };
  }

  async readRaw(key: string, options?: ReadOptions): Promise<RawTensor> {
    const { dtype, shape, data } = await this.read(key, options);
    return { dtype, shape, data: new Uint8Array(data.buffer) };
  }

  async close(): Promise<void> {}

  #recipe(key: string): Recipe {
    const recipe = this.#recipes.get(key);
    if (!recipe) throw new CheckpointError('missing-key', `no tensor "${key}"`, { file: this.file, key });
    return recipe;
  }
}
