import { OutputError } from '../errors.js';
import type { AppendFile, ProjectStorage } from '../project-storage.js';
import { outputError } from './output-folder.js';

/**
 * A file in OPFS. Its writable streams copy the file when they open, so bytes are gathered and written in batches; `sync` and
 * `close` write what is left.
 */
class WebAppendFile implements AppendFile {
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

class WebProjectStorage implements ProjectStorage {
  constructor(readonly label: string) {}

  async open(name: string): Promise<AppendFile> {
    try {
      const root = await navigator.storage.getDirectory();
      const folder = name === '' ? root : await root.getDirectoryHandle(`${this.label}.masks`, { create: true });
      const handle = await folder.getFileHandle(name === '' ? this.label : name, { create: true });
      return new WebAppendFile(`${this.label}/${name}`, handle, (await handle.getFile()).size);
    } catch (cause) {
      throw outputError(this.label, cause);
    }
  }

  async list(): Promise<string[]> {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(`${this.label}.masks`).catch(() => undefined);
    const names: string[] = [];
    if (folder) for await (const name of folder.keys()) names.push(name);
    return names.sort();
  }

  async remove(name: string): Promise<void> {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(`${this.label}.masks`).catch(() => undefined);
    await folder?.removeEntry(name).catch(() => {});
  }

  /** A lock among the tabs and workers of the origin; the browser gives it back when one of them is closed. */
  lock(): Promise<() => Promise<void>> {
    return new Promise((taken, refused) => {
      const name = `samtrack project ${this.label}`;
      navigator.locks
        .request(name, { ifAvailable: true }, (lock) => {
          if (!lock) throw new OutputError('busy', this.label, 'another tab writes to it');
          return new Promise<void>((release) => taken(async () => release()));
        })
        .catch(refused);
    });
  }
}

/** A project in the origin's private file system, by name. Throws nothing yet: see `ProjectStorage`. */
export const openProjectStorage = (name: string): ProjectStorage => new WebProjectStorage(name);
