import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OutputError } from '../errors.js';
import type { OutputFile, OutputFolder } from '../output-folder.js';

/** The file operations the writer uses; tests hand in others that fail. */
export const nodeFiles = { mkdir, open, readdir, readFile, rename, rm };
export type NodeFiles = typeof nodeFiles;

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR']);

export function outputError(path: string, cause: unknown): OutputError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const detail = (cause as Error).message;
  if (DISK_FULL.has(code)) return new OutputError('disk-full', path, `the disk is full (${detail})`, { cause });
  if (NOT_WRITABLE.has(code)) return new OutputError('not-writable', path, `cannot be written (${detail})`, { cause });
  return new OutputError('write-failed', path, detail, { cause });
}

/** A name beside `path` that no other run takes; hidden, so that a file left by a killed run is not read as a result. */
const temporaryFor = (path: string) => join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.partial`);
const isTemporary = (name: string) => name.startsWith('.') && name.endsWith('.partial');

class NodeOutputFile implements OutputFile {
  #done = false;

  constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly handle: FileHandle,
    private readonly files: NodeFiles,
  ) {}

  async write(data: Uint8Array, position: number): Promise<void> {
    try {
      let written = 0;
      while (written < data.length) {
        const { bytesWritten } = await this.handle.write(data, written, data.length - written, position + written);
        written += bytesWritten;
      }
    } catch (cause) {
      throw outputError(this.path, cause);
    }
  }

  async commit(): Promise<void> {
    if (this.#done) return;
    try {
      // A full disk may show only here, on file systems that allocate late.
      await this.handle.sync();
      await this.handle.close();
      await this.files.rename(this.temporary, this.path);
      this.#done = true;
    } catch (cause) {
      await this.discard();
      throw outputError(this.path, cause);
    }
  }

  async discard(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    await this.handle.close().catch(() => {});
    await this.files.rm(this.temporary, { force: true }).catch(() => {});
  }
}

class NodeOutputFolder implements OutputFolder {
  private readonly made = new Set<string>();

  constructor(
    readonly label: string,
    private readonly files: NodeFiles,
  ) {}

  async createFile(relative: string): Promise<OutputFile> {
    const path = join(this.label, relative);
    try {
      await this.make(dirname(path));
      const temporary = temporaryFor(path);
      return new NodeOutputFile(path, temporary, await this.files.open(temporary, 'w'), this.files);
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  async writeFile(relative: string, data: Uint8Array | string): Promise<void> {
    const file = await this.createFile(relative);
    try {
      await file.write(typeof data === 'string' ? new TextEncoder().encode(data) : data, 0);
    } catch (error) {
      await file.discard();
      throw error;
    }
    await file.commit();
  }

  async readFile(relative: string): Promise<Uint8Array | undefined> {
    const path = join(this.label, relative);
    try {
      return await this.files.readFile(path);
    } catch (cause) {
      if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw outputError(path, cause);
    }
  }

  async list(folder: string): Promise<string[]> {
    return (await this.names(folder)).filter((name) => !isTemporary(name));
  }

  async removeUnfinished(folder: string): Promise<void> {
    for (const name of (await this.names(folder)).filter(isTemporary)) await this.remove(join(folder, name));
  }

  async remove(relative: string): Promise<void> {
    const path = join(this.label, relative);
    try {
      await this.files.rm(path, { force: true });
    } catch (cause) {
      throw outputError(path, cause);
    }
  }

  private async names(folder: string): Promise<string[]> {
    const path = join(this.label, folder);
    try {
      const entries = await this.files.readdir(path, { withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
        .sort();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw outputError(path, cause);
    }
  }

  private async make(folder: string): Promise<void> {
    if (this.made.has(folder)) return;
    await this.files.mkdir(folder, { recursive: true });
    this.made.add(folder);
  }
}

/**
 * Results go to a folder on disk, which is created when the first file is. Throws nothing yet: see `OutputFolder`.
 * @param files replaces the file operations, in tests
 */
export const openOutputFolder = (target: string, files: NodeFiles = nodeFiles): OutputFolder =>
  new NodeOutputFolder(target, files);
