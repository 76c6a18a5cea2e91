import { CheckpointError } from '../error.js';
import type { Checkpoint, FloatTensor, RawTensor, ReadOptions, TensorInfo } from '../types.js';

/** Where a tensor's values are: stored keys whose tensors follow each other along the first axis. Usually one. */
export type Parts = readonly string[];

/** A checkpoint under other keys; a tensor may be the concatenation of several stored ones along the first axis (query, key and value). */
export class RenamedCheckpoint implements Checkpoint {
  readonly format: Checkpoint['format'];
  readonly file: string;
  readonly keys: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly #stored: Checkpoint;
  readonly #parts: ReadonlyMap<string, Parts>;

  constructor(stored: Checkpoint, parts: ReadonlyMap<string, Parts>) {
    this.#stored = stored;
    this.#parts = parts;
    this.format = stored.format;
    this.file = stored.file;
    this.metadata = stored.metadata;
    this.keys = [...parts.keys()];
  }

  has(key: string): boolean {
    return this.#parts.has(key);
  }

  info(key: string): TensorInfo {
    const parts = this.#find(key).map((part) => this.#stored.info(part));
    const [first] = parts as [TensorInfo, ...TensorInfo[]];
    if (parts.length === 1) return { ...first, key };
    const inner = first.shape.slice(1);
    let rows = 0;
    for (const { key: part, dtype, shape } of parts) {
      if (shape.length === 0 || dtype !== first.dtype || String(shape.slice(1)) !== String(inner)) {
        throw new CheckpointError(
          'wrong-shape',
          `"${part}" is ${dtype} [${shape.join(', ')}], unlike the others of "${key}"`,
          {
            file: this.file,
            key,
            expectedShape: first.shape,
            actualShape: shape,
          },
        );
      }
      rows += shape[0]!;
    }
    const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0);
    return { key, dtype: first.dtype, shape: [rows, ...inner], byteLength };
  }

  async read(key: string, options?: ReadOptions): Promise<FloatTensor> {
    const { dtype, shape } = this.info(key);
    const pieces = await this.#each(key, async (part) => (await this.#stored.read(part, options)).data);
    if (pieces.length === 1) return { dtype, shape, data: pieces[0]! };
    const data = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
      data.set(piece, offset);
      offset += piece.length;
    }
    return { dtype, shape, data };
  }

  async readRaw(key: string, options?: ReadOptions): Promise<RawTensor> {
    const { dtype, shape, byteLength } = this.info(key);
    const pieces = await this.#each(key, async (part) => (await this.#stored.readRaw(part, options)).data);
    if (pieces.length === 1) return { dtype, shape, data: pieces[0]! };
    const data = new Uint8Array(byteLength);
    let offset = 0;
    for (const piece of pieces) {
      data.set(piece, offset);
      offset += piece.length;
    }
    return { dtype, shape, data };
  }

  close(): Promise<void> {
    return this.#stored.close();
  }

  async #each<T>(key: string, read: (part: string) => Promise<T>): Promise<T[]> {
    const pieces: T[] = [];
    for (const part of this.#find(key)) pieces.push(await read(part));
    return pieces;
  }

  #find(key: string): Parts {
    const parts = this.#parts.get(key);
    if (!parts) throw new CheckpointError('missing-key', `no tensor "${key}"`, { file: this.file, key });
    return parts;
  }
}
