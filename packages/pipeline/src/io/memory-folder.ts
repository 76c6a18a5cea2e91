import type { OutputFile, OutputFolder } from './output-folder.js';

/** An output folder in memory: for results that a page offers for download, and for tests. */
export class MemoryFolder implements OutputFolder {
  readonly files = new Map<string, Uint8Array>();

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
      commit: async () => {
        if (open) this.files.set(path, bytes.slice(0, length));
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

  async removeUnfinished(_folder: string): Promise<void> {}
}
