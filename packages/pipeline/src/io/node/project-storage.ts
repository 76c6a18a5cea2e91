import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open as openFile, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { OutputError } from '../errors.js';
import type { AppendFile, ProjectStorage } from '../project-storage.js';
import { outputError } from './output-folder.js';

/** The file operations of projects; tests put others in their place that fail. */
export const projectFiles = { open: openFile };

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

class NodeProjectStorage implements ProjectStorage {
  constructor(readonly label: string) {}

  get #folder(): string {
    return `${this.label}.masks`;
  }

  async open(name: string): Promise<AppendFile> {
    const path = name === '' ? this.label : join(this.#folder, name);
    try {
      await mkdir(dirname(path), { recursive: true });
      // Reading and writing, created where missing, never truncated.
      const handle = await projectFiles.open(path, 'a+').then(async (created) => {
        await created.close();
        return projectFiles.open(path, 'r+');
      });
      return new NodeAppendFile(path, handle, (await handle.stat()).size);
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  async list(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).sort();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw outputError(this.#folder, cause);
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true });
  }

  /** A lock file with the process's number; one whose process is gone, on this machine, is taken over. */
  async lock(): Promise<() => Promise<void>> {
    const path = join(dirname(this.label), `.${basename(this.label)}.lock`);
    const own = JSON.stringify({ pid: process.pid, host: hostname(), token: randomUUID() });
    await mkdir(dirname(path), { recursive: true }).catch((cause) => {
      throw outputError(path, cause);
    });
    for (let attempt = 0; ; attempt++) {
      try {
        const handle = await projectFiles.open(path, 'wx');
        try {
          await handle.writeFile(own);
        } finally {
          await handle.close();
        }
        // Two processes that find the same abandoned lock may both remove it: the last one to write it has it.
        if (attempt > 0) await setTimeout(50);
        if (attempt === 0 || (await readFile(path, 'utf8').catch(() => '')) === own) {
          return () => rm(path, { force: true });
        }
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw outputError(path, cause);
      }
      const owner = ownerOf(await readFile(path, 'utf8').catch(() => ''));
      if (attempt > 0 || !isGone(owner)) {
        const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another process';
        throw new OutputError('busy', this.label, `${who} writes to it; if it does not, delete ${path}`);
      }
      await rm(path, { force: true });
    }
  }
}

function ownerOf(text: string): { pid: number; host: string } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isGone(owner: { pid: number; host: string } | undefined): boolean {
  if (!owner || owner.host !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** A project file on disk, with its masks in the folder `<path>.masks`. Throws nothing yet: see `ProjectStorage`. */
export const openProjectStorage = (path: string): ProjectStorage => new NodeProjectStorage(path);
