import { CheckpointError } from '../error.js';
import type { Checkpoint, FloatTensor, RawTensor, ReadOptions, TensorInfo } from '../types.js';

/** A stored tensor, or some of its rows: positions along the first axis. */
export type Part = string | { readonly key: string; readonly row: number; readonly rows: number };

/** Where a tensor's values are: stored tensors that follow each other along the first axis. Usually one. */
export type Parts = readonly Part[];

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
    const parts = this.#find(key).map((part) => this.#partInfo(part));
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
    const pieces = await this.#each(key, async (part) => rowsOf(await this.#stored.read(keyOf(part), options), part));
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
    const pieces = await this.#each(key, async (part) =>
      rowsOf(await this.#stored.readRaw(keyOf(part), options), part),
    );
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

  async #each<T>(key: string, read: (part: Part) => Promise<T>): Promise<T[]> {
    const pieces: T[] = [];
    for (const part of this.#find(key)) pieces.push(await read(part));
    return pieces;
  }

  #partInfo(part: Part): TensorInfo {
    const info = this.#stored.info(keyOf(part));
    if (typeof part === 'string') return info;
    const [all, ...inner] = info.shape;
    if (all === undefined || part.row + part.rows > all) {
      const missing = `"${info.key}" [${info.shape.join(', ')}] has no row ${part.row + part.rows - 1}`;
      throw new CheckpointError('wrong-shape', missing, { file: this.file, key: info.key, actualShape: info.shape });
    }
    return { ...info, shape: [part.rows, ...inner], byteLength: (info.byteLength / all) * part.rows };
  }

  #find(key: string): Parts {
    const parts = this.#parts.get(key);
    if (!parts) throw new CheckpointError('missing-key', `no tensor "${key}"`, { file: this.file, key });
    return parts;
  }
}

const keyOf = (part: Part): string => (typeof part === 'string' ? part : part.key);

/** The values of a part, of those of its whole tensor. */
function rowsOf<T extends Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
  { shape, data }: { shape: readonly number[]; data: T },
  part: Part,
): T {
  if (typeof part === 'string') return data;
  const row = data.length / shape[0]!;
  return data.slice(part.row * row, (part.row + part.rows) * row) as T;
}
