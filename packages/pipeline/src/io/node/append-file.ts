import { type FileHandle, open as openFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AppendFile } from '../project-storage.js';
import { makeFolder } from './make-folder.js';
import { outputError } from './output-error.js';

class NodeAppendFile implements AppendFile {
  #size: number;
  #closed = false;

  constructor(
    readonly label: string,
    private readonly handle: FileHandle,
    size: number,
  ) {
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<number> {
    const offset = this.#size;
    try {
      let written = 0;
      while (written < bytes.length) {
        const { bytesWritten } = await this.handle.write(bytes, written, bytes.length - written, offset + written);
        written += bytesWritten;
      }
    } catch (cause) {
      // What was written in part must not be in the way of what comes next.
      await this.handle.truncate(offset).catch(() => {});
      throw outputError(this.label, cause);
    }
    this.#size = offset + bytes.length;
    return offset;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - offset)));
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await this.handle.read(bytes, done, bytes.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }

  async truncate(size: number): Promise<void> {
    try {
      await this.handle.truncate(size);
    } catch (cause) {
      throw outputError(this.label, cause);
    }
    this.#size = size;
  }

  async sync(): Promise<void> {
    try {
      await this.handle.datasync();
    } catch (cause) {
      throw outputError(this.label, cause);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.handle.close();
  }
}

/**
 * Opens a file that grows at its end, and creates it and its folder where there is none. Throws `OutputError`.
 * @param open the file operation; tests put another in its place that fails
 */
export async function openAppendFile(path: string, open: typeof openFile = openFile): Promise<AppendFile> {
  try {
    await makeFolder(dirname(path));
    // Reading and writing, created where missing, never truncated.
    const handle = await open(path, 'a+').then(async (created) => {
      await created.close();
      return open(path, 'r+');
    });
    return new NodeAppendFile(path, handle, (await handle.stat()).size);
  } catch (cause) {
    throw outputError(path, cause);
  }
}
