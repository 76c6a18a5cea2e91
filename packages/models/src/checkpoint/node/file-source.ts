import { type FileHandle, open } from 'node:fs/promises';
import { type ByteSource, checkRange } from '../byte-source.js';
import { CheckpointError } from '../error.js';
import type { ReadOptions } from '../types.js';

/** Opens a file for reading by range. @throws CheckpointError `unreadable` */
export async function openFileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new Error('it is a folder');
    return new FileSource(path, handle, stat.size);
  } catch (cause) {
    await handle?.close();
    throw new CheckpointError('unreadable', `cannot open: ${describe(cause)}`, { file: path, cause });
  }
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  #handle: FileHandle | undefined;

  constructor(name: string, handle: FileHandle, size: number) {
    this.name = name;
    this.#handle = handle;
    this.size = size;
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    if (!this.#handle) throw new CheckpointError('closed', 'the file was closed', { file: this.name });
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#read(bytes, done, offset);
      // The file was longer when it was opened: somebody is cutting it while we read.
      if (bytesRead === 0) {
        throw new CheckpointError('truncated', `the file now ends at byte ${offset + done}`, { file: this.name });
      }
      done += bytesRead;
    }
    return bytes;
  }

  async #read(bytes: Uint8Array, done: number, offset: number) {
    try {
      return await this.#handle!.read(bytes, done, bytes.byteLength - done, offset + done);
    } catch (cause) {
      throw new CheckpointError('unreadable', `cannot read: ${describe(cause)}`, { file: this.name, cause });
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

function describe(cause: unknown): string {
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'no such file';
  return cause instanceof Error ? cause.message : String(cause);
}
