import { CheckpointError } from './error.js';
import { withOfficialKeys } from './key-maps/index.js';
import type { Checkpoint, ReadOptions } from './types.js';

/**
 * What a model's loader reads its weights through: every tensor is asked for by key and shape, and checked.
 * Keys are those of the official implementation, also for a file that carries the names of Hugging Face transformers.
 * Nothing is ever defaulted: a missing or misshapen key, NaN or infinity is an error that names it.
 *
 *     const weights = new WeightReader(checkpoint, { signal });
 *     const bias = await weights.take('encoder_projector.bias', [256]);
 *     const unexpected = weights.finish([/relative_position_index$/]);
 */
export class WeightReader {
  readonly #checkpoint: Checkpoint;
  readonly #options: ReadOptions;
  readonly #taken = new Set<string>();
  readonly #owned: { dispose(): void }[] = [];

  constructor(checkpoint: Checkpoint, options: ReadOptions = {}) {
    this.#checkpoint = withOfficialKeys(checkpoint);
    this.#options = options;
  }

  /**
   * Reads a model, which owns what was made of the weights, unless it cannot be completed.
   * @param read Makes the model; what `handOver` gives is the model's to dispose.
   */
  static async load<T>(
    checkpoint: Checkpoint,
    options: ReadOptions,
    read: (weights: WeightReader) => Promise<T>,
  ): Promise<T> {
    const weights = new WeightReader(checkpoint, options);
    try {
      return await read(weights);
    } catch (error) {
      weights.handOver().dispose();
      throw error;
    }
  }

  get file(): string {
    return this.#checkpoint.file;
  }

  /** Whether the file has such a tensor. */
  has(key: string): boolean {
    return this.#checkpoint.has(key);
  }

  /** Keys in the file, whether taken or not. */
  get keys(): readonly string[] {
    return this.#checkpoint.keys;
  }

  /** Shape as stored, where a loader has to adapt to it. @throws CheckpointError `missing-key` */
  shape(key: string): readonly number[] {
    return this.#checkpoint.info(key).shape;
  }

  /**
   * The values of `key` as float32, C order, PyTorch layout; owned by the caller.
   * @param shape the shape the model needs; every dimension must agree
   * @throws CheckpointError `missing-key`, `wrong-shape`, `not-finite`
   */
  async take(key: string, shape: readonly number[]): Promise<Float32Array<ArrayBuffer>> {
    const file = this.#checkpoint.file;
    if (!this.#checkpoint.has(key)) {
      throw new CheckpointError('missing-key', `the model needs "${key}" [${shape.join(', ')}], the file lacks it`, {
        file,
        key,
        expectedShape: shape,
      });
    }
    const actual = this.#checkpoint.info(key).shape;
    if (actual.length !== shape.length || actual.some((dimension, axis) => dimension !== shape[axis])) {
      throw new CheckpointError(
        'wrong-shape',
        `"${key}" is [${actual.join(', ')}], the model needs [${shape.join(', ')}]`,
        { file, key, expectedShape: shape, actualShape: actual },
      );
    }
    this.#taken.add(key);
    const { data } = await this.#checkpoint.read(key, this.#options);
    checkFinite(data, key, file);
    return data;
  }

  /** Notes what was made of the weights, which is the reader's until it is handed over. @returns the same */
  own<T extends { dispose(): void }>(resource: T): T {
    this.#owned.push(resource);
    return resource;
  }

  /** Hands everything made so far over to whoever frees it in its turn: a model that is complete. */
  handOver(): { dispose(): void } {
    const owned = this.#owned.splice(0);
    return {
      dispose: () => {
        for (const resource of owned.splice(0)) resource.dispose();
      },
    };
  }

  /**
   * Keys that nothing took, in file order.
   * @param ignore keys (exact, or patterns) that the model is known not to need, such as `num_batches_tracked`
   */
  finish(ignore: readonly (string | RegExp)[] = []): string[] {
    return this.#checkpoint.keys.filter(
      (key) =>
        !this.#taken.has(key) && !ignore.some((rule) => (typeof rule === 'string' ? rule === key : rule.test(key))),
    );
  }
}

function checkFinite(values: Float32Array, key: string, file: string): void {
  for (let i = 0; i < values.length; i++) {
    // The difference of a number with itself is 0 unless it is NaN or infinite: one comparison, no call.
    if (values[i]! - values[i]! !== 0) {
      throw new CheckpointError('not-finite', `"${key}" holds ${values[i]} at flat index ${i}`, { file, key });
    }
  }
}
