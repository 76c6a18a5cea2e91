import { CheckpointError } from './error.js';
import type { LoadProgress, ReadOptions } from './types.js';

/** Random access to bytes: a file, a `Blob`, an HTTP resource or memory. */
export interface ByteSource {
  /** Name for messages. */
  readonly name: string;
  /** Total bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`. The result may be a view of a larger buffer; callers do not write to it.
   * @throws CheckpointError `truncated` if the range passes the end, `unreadable` if the medium fails
   */
  read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Lets go of the file. */
  close(): Promise<void>;
}

/** Refuses a range outside `[0, size)`; every source calls it first, so that no source sees a bad range. */
export function checkRange(source: Pick<ByteSource, 'name' | 'size'>, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new CheckpointError('corrupt', `byte range ${offset}+${length} makes no sense`, { file: source.name });
  }
  if (offset + length > source.size) {
    throw new CheckpointError(
      'truncated',
      `bytes ${offset} to ${offset + length} are needed, but the file ends at ${source.size}`,
      { file: source.name },
    );
  }
}

/** Bytes that are already in memory. Reads are views, not copies. */
export class MemorySource implements ByteSource {
  readonly name: string;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>, name = 'buffer') {
    this.#bytes = bytes;
    this.name = name;
  }

  get size(): number {
    return this.#bytes.byteLength;
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  async close(): Promise<void> {}
}

/** A `Blob` or `File`: only the slices asked for are read. */
export class BlobSource implements ByteSource {
  readonly name: string;
  readonly #blob: Blob;

  constructor(blob: Blob, name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'blob') {
    this.#blob = blob;
    this.name = name;
  }

  get size(): number {
    return this.#blob.size;
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    try {
      return new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
    } catch (cause) {
      throw new CheckpointError('unreadable', `cannot read bytes ${offset} to ${offset + length}`, {
        file: this.name,
        cause,
      });
    }
  }

  async close(): Promise<void> {}
}

/** Tells how many bytes of a source have been read. */
export class CountingSource implements ByteSource {
  #bytes = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly onProgress: (progress: LoadProgress) => void,
  ) {}

  get name(): string {
    return this.source.name;
  }

  get size(): number {
    return this.source.size;
  }

  async read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.source.read(offset, length, options);
    // What is read twice counts once at the end.
    this.#bytes = Math.min(this.#bytes + length, this.size);
    this.onProgress({ bytes: this.#bytes, total: this.size });
    return bytes;
  }

  close(): Promise<void> {
    return this.source.close();
  }
}
