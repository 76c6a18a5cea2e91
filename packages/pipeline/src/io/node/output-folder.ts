import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { contentDigest } from '../content-digest.js';
import type { OutputFile, OutputFolder } from '../output-folder.js';
import type { AppendFile } from '../project-storage.js';
import type { RunInput } from '../run-inputs.js';
import { openAppendFile } from './append-file.js';
import { contentOf, digestOfFile } from './content.js';
import { guardInputs } from './guard.js';
import { takeLock } from './lock-file.js';
import { checkWritable, makeFolder } from './make-folder.js';
import { outputError } from './output-error.js';

/** The file operations the writer uses; tests hand in others that fail. */
export const nodeFiles = { mkdir, open, readdir, readFile, rename, rm };
export type NodeFiles = typeof nodeFiles;

/** Unfinished files: hidden, so that a file left by a killed run is not read as a result. The group is the writer's token. */
const TEMPORARY = /^\..*\.([0-9a-f]{8})-\d+\.partial$/;

/** What stands in every folder that is written to. */
const LOCK_FILE = '.samtrack.lock';

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

  async commit(onDigest?: (digest: string) => Promise<void>): Promise<void> {
    if (this.#done) return;
    try {
      await onDigest?.(await contentDigest(await contentOf(this.handle)));
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
  readonly token = randomUUID().slice(0, 8);
  private readonly made = new Set<string>();
  private unfinished = 0;

  constructor(
    readonly label: string,
    private readonly files: NodeFiles,
  ) {}

  async createFile(relative: string): Promise<OutputFile> {
    const path = join(this.label, relative);
    try {
      await this.make(dirname(path));
      const name = `.${basename(path)}.${this.token}-${this.unfinished++}.partial`;
      const temporary = join(dirname(path), name);
      return new NodeOutputFile(path, temporary, await this.files.open(temporary, 'w+'), this.files);
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
    return (await this.names(folder)).filter((name) => !TEMPORARY.test(name));
  }

  async removeUnfinished(folder: string, tokens: ReadonlySet<string>): Promise<void> {
    for (const name of await this.names(folder)) {
      const token = TEMPORARY.exec(name)?.[1];
      if (token !== undefined && tokens.has(token)) await this.remove(join(folder, name));
    }
  }

  async digest(relative: string): Promise<string | undefined | null> {
    const path = join(this.label, relative);
    try {
      return (await lstat(path)).isFile() ? await digestOfFile(path) : null;
    } catch (cause) {
      if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw outputError(path, cause);
    }
  }

  openAppend(relative: string): Promise<AppendFile> {
    return openAppendFile(join(this.label, relative), this.files.open);
  }

  lock(): Promise<() => Promise<void>> {
    return takeLock(join(this.label, LOCK_FILE), this.label);
  }

  checkWritable(): Promise<void> {
    return checkWritable(this.label);
  }

  guard(inputs: readonly RunInput[]): Promise<(path: string) => Promise<void>> {
    return guardInputs(this.label, inputs);
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
        .filter((entry) => entry.isFile() || entry.isSymbolicLink())
        .map(({ name }) => name)
        .sort();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw outputError(path, cause);
    }
  }

  private async make(folder: string): Promise<void> {
    if (this.made.has(folder)) return;
    await makeFolder(folder, this.files.mkdir);
    this.made.add(folder);
  }
}

/**
 * Results go to a folder on disk, which is created when the first file is. Throws nothing yet: see `OutputFolder`.
 * @param files replaces the file operations, in tests
 */
export const openOutputFolder = (target: string, files: NodeFiles = nodeFiles): OutputFolder =>
  new NodeOutputFolder(target, files);
