import type { AppendFile } from '../project-storage.js';
import { outputError } from './output-error.js';

/** Bytes that are gathered at most. */
const BATCH = 1 << 20;
/** Most that a closed tab costs, in milliseconds. */
const LATEST = 1000;

/**
 * A file in OPFS. Its writable streams copy the file when they open, so bytes are gathered and written in batches, the last of them by
 * `sync`, by `close`, or when they have waited long enough.
 */
export class WebAppendFile implements AppendFile {
  #flushed = performance.now();
  #stored: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Writes what waits where nothing comes after it. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly label: string,
    private readonly handle: FileSystemFileHandle,
    size: number,
  ) {
    this.#stored = size;
  }

  get size(): number {
    return this.#stored + this.#pendingBytes;
  }

  append(bytes: Uint8Array): Promise<number> {
    const copy = bytes.slice();
    return this.#inTurn(async () => {
      const offset = this.size;
      this.#pending.push(copy);
      this.#pendingBytes += copy.length;
      const due = performance.now() - this.#flushed > LATEST;
      if (!due && this.#pendingBytes < BATCH) {
        // What fails then is kept, and told by what is written next.
        this.#timer ??= setTimeout(() => void this.sync().catch(() => {}), LATEST);
      } else {
        try {
          await this.#flush();
        } catch (error) {
          this.#pending.pop();
          this.#pendingBytes -= copy.length;
          throw error;
        }
      }
      return offset;
    });
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      await this.#flush();
      const file = await this.handle.getFile();
      return new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
    });
  }

  truncate(size: number): Promise<void> {
    return this.#inTurn(async () => {
      await this.#flush();
      await this.#write((stream) => stream.truncate(size));
      this.#stored = Math.min(size, this.#stored);
    });
  }

  sync(): Promise<void> {
    return this.#inTurn(() => this.#flush());
  }

  close(): Promise<void> {
    return this.sync();
  }

  /** One after the other: what is pending must not be written twice, and a file has one stream at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pendingBytes === 0) return;
    const data = new Uint8Array(this.#pendingBytes);
    let at = 0;
    for (const bytes of this.#pending) {
      data.set(bytes, at);
      at += bytes.length;
    }
    await this.#write((stream) => stream.write({ type: 'write', data, position: this.#stored }));
    this.#stored += data.length;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#flushed = performance.now();
  }

  async #write(change: (stream: FileSystemWritableFileStream) => Promise<void>): Promise<void> {
    try {
      const stream = await this.handle.createWritable({ keepExistingData: true });
      try {
        await change(stream);
        await stream.close();
      } catch (cause) {
        await stream.abort().catch(() => {});
        throw cause;
      }
    } catch (cause) {
      throw outputError(this.label, cause);
    }
  }
}
