import { bytesDigest } from './content-digest.js';
import { OutputError } from './errors.js';
import type { OutputFile, OutputFolder } from './output-folder.js';
import { type AppendFile, MemoryAppendFile } from './project-storage.js';

/** An output folder in memory: for results that a page offers for download, and for tests. */
export class MemoryFolder implements OutputFolder {
  readonly files = new Map<string, Uint8Array>();
  readonly token = 'memory';
  #locked = false;

  constructor(readonly label = 'memory') {}

  async writeFile(path: string, data: Uint8Array | string): Promise<void> {
    this.files.set(path, typeof data === 'string' ? new TextEncoder().encode(data) : data.slice());
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path);
  }

  async list(folder: string): Promise<string[]> {
    const prefix = folder === '' ? '' : `${folder}/`;
    return [...this.files.keys()]
      .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
      .map((path) => path.slice(prefix.length))
      .sort();
  }

  async createFile(path: string): Promise<OutputFile> {
    let bytes = new Uint8Array(1 << 16);
    let length = 0;
    let open = true;
    return {
      write: async (data, position) => {
        const end = position + data.length;
        if (end > bytes.length) {
          const larger = new Uint8Array(Math.max(end, bytes.length * 2));
          larger.set(bytes.subarray(0, length));
          bytes = larger;
        }
        bytes.set(data, position);
        length = Math.max(length, end);
      },
      commit: async (onDigest) => {
        if (!open) return;
        const content = bytes.slice(0, length);
        await onDigest?.(await bytesDigest(content));
        this.files.set(path, content);
        open = false;
      },
      discard: async () => {
        open = false;
      },
    };
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }

  async removeUnfinished(): Promise<void> {}

  async digest(path: string): Promise<string | undefined> {
    const bytes = this.files.get(path);
    return bytes && bytesDigest(bytes);
  }

  async openAppend(path: string): Promise<AppendFile> {
    return new MemoryAppendFile(`${this.label}/${path}`, path, this.files);
  }

  async lock(): Promise<() => Promise<void>> {
    if (this.#locked) throw new OutputError('busy', this.label, 'another run writes to it');
    this.#locked = true;
    return async () => {
      this.#locked = false;
    };
  }

  /** Nothing that is read lies in it. */
  async guard(): Promise<() => Promise<void>> {
    return async () => {};
  }
}
