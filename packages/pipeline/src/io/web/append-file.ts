import type { AppendFile } from '../project-storage.js';
import { outputError } from './output-error.js';

/**
 * A file in OPFS. Its writable streams copy the file when they open, so bytes are gathered and written in batches; `sync` and
 * `close` write what is left.
 */
export class WebAppendFile implements AppendFile {
  static readonly #BATCH = 1 << 20;
  #stored: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

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

  async append(bytes: Uint8Array): Promise<number> {
    const offset = this.size;
    this.#pending.push(bytes.slice());
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= WebAppendFile.#BATCH) {
      try {
        await this.sync();
      } catch (error) {
        this.#pending.pop();
        this.#pendingBytes -= bytes.length;
        throw error;
      }
    }
    return offset;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.sync();
    const file = await this.handle.getFile();
    return new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
  }

  async truncate(size: number): Promise<void> {
    await this.sync();
    await this.#write((stream) => stream.truncate(size));
    this.#stored = Math.min(size, this.#stored);
  }

  async sync(): Promise<void> {
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
  }

  async close(): Promise<void> {
    await this.sync();
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
