import { blobDigest } from '../content-digest.js';
import { OutputError } from '../errors.js';
import type { OutputFile, OutputFolder } from '../output-folder.js';
import type { AppendFile } from '../project-storage.js';
import { WebAppendFile } from './append-file.js';
import { outputError } from './output-error.js';
import { webLock } from './web-lock.js';

const isNotFound = (cause: unknown) => (cause as DOMException).name === 'NotFoundError';

/** A file under the File System API: its writable stream keeps a swap file until it is closed, so writes are atomic. */
class WebOutputFile implements OutputFile {
  #done = false;

  constructor(
    private readonly path: string,
    private readonly handle: FileSystemFileHandle,
    private readonly stream: FileSystemWritableFileStream,
  ) {}

  async write(data: Uint8Array, position: number): Promise<void> {
    try {
      await this.stream.write({ type: 'write', data: data as Uint8Array<ArrayBuffer>, position });
    } catch (cause) {
      throw outputError(this.path, cause);
    }
  }

  /** A page cannot read its swap file, so the digest is told once the file has its name. */
  async commit(onDigest?: (digest: string) => Promise<void>): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    try {
      await this.stream.close();
      await onDigest?.(await blobDigest(await this.handle.getFile()));
    } catch (cause) {
      throw outputError(this.path, cause);
    }
  }

  async discard(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    await this.stream.abort().catch(() => {});
  }
}

/** Names the folder's lock: only the folder itself can tell it from others of the same name. */
const LOCK_FILE = '.samtrack.lock';

class WebOutputFolder implements OutputFolder {
  readonly label: string;
  readonly token = 'web';

  constructor(private readonly root: FileSystemDirectoryHandle) {
    this.label = root.name || 'storage';
  }

  async createFile(path: string): Promise<OutputFile> {
    try {
      const { folder, name } = await this.locate(path, true);
      const handle = await folder.getFileHandle(name, { create: true });
      return new WebOutputFile(path, handle, await handle.createWritable());
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  async writeFile(path: string, data: Uint8Array | string): Promise<void> {
    const file = await this.createFile(path);
    try {
      await file.write(typeof data === 'string' ? new TextEncoder().encode(data) : data, 0);
    } catch (error) {
      await file.discard();
      throw error;
    }
    await file.commit();
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    try {
      const { folder, name } = await this.locate(path, false);
      const file = await (await folder.getFileHandle(name)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    } catch (cause) {
      if (isNotFound(cause)) return undefined;
      throw outputError(path, cause);
    }
  }

  async list(path: string): Promise<string[]> {
    try {
      const { folder } = await this.locate(`${path}/.`, false);
      const names: string[] = [];
      for await (const [name, handle] of folder as unknown as AsyncIterable<[string, FileSystemHandle]>) {
        if (handle.kind === 'file') names.push(name);
      }
      return names.sort();
    } catch (cause) {
      if (isNotFound(cause)) return [];
      throw outputError(path, cause);
    }
  }

  async remove(path: string): Promise<void> {
    try {
      const { folder, name } = await this.locate(path, false);
      await folder.removeEntry(name);
    } catch (cause) {
      if (!isNotFound(cause)) throw outputError(path, cause);
    }
  }

  /** Nothing to do: browsers drop a writable's swap file with the page. */
  async removeUnfinished(): Promise<void> {}

  async digest(path: string): Promise<string | undefined> {
    try {
      const { folder, name } = await this.locate(path, false);
      return await blobDigest(await (await folder.getFileHandle(name)).getFile());
    } catch (cause) {
      if (isNotFound(cause)) return undefined;
      throw outputError(path, cause);
    }
  }

  async openAppend(path: string): Promise<AppendFile> {
    try {
      const { folder, name } = await this.locate(path, true);
      const handle = await folder.getFileHandle(name, { create: true });
      return new WebAppendFile(`${this.label}/${path}`, handle, (await handle.getFile()).size);
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  /** A lock among the tabs and workers of the origin; the browser gives it back when one of them is closed. */
  async lock(): Promise<() => Promise<void>> {
    let name = new TextDecoder().decode(await this.readFile(LOCK_FILE));
    if (name === '') await this.writeFile(LOCK_FILE, (name = crypto.randomUUID()));
    return webLock(`samtrack output ${name}`, this.label);
  }

  /** A page is given files, not paths: it cannot tell whether one of them lies in the folder. */
  async guard(): Promise<() => Promise<void>> {
    return async () => {};
  }

  private async locate(path: string, create: boolean): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    const name = path.endsWith('/.') ? '' : parts.pop()!;
    let folder = this.root;
    for (const part of parts) folder = await folder.getDirectoryHandle(part, { create });
    return { folder, name };
  }
}

/** Results go to a folder of the File System API: one the user picked, or one in OPFS. @throws OutputError `unsupported` for a path */
export function openOutputFolder(target: string | FileSystemDirectoryHandle): OutputFolder {
  if (typeof target === 'string') throw new OutputError('unsupported', target, 'a browser cannot write to a path');
  return new WebOutputFolder(target);
}
