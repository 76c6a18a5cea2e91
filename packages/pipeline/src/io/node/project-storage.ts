import { open as openFile, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AppendFile, ProjectStorage } from '../project-storage.js';
import { openAppendFile } from './append-file.js';
import { takeLock } from './lock-file.js';
import { outputError } from './output-error.js';

/** The file operations of projects; tests put others in their place that fail. */
export const projectFiles = { open: openFile };

class NodeProjectStorage implements ProjectStorage {
  constructor(readonly label: string) {}

  get #folder(): string {
    return `${this.label}.masks`;
  }

  open(name: string): Promise<AppendFile> {
    return openAppendFile(name === '' ? this.label : join(this.#folder, name), projectFiles.open);
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

  lock(): Promise<() => Promise<void>> {
    return takeLock(join(dirname(this.label), `.${basename(this.label)}.lock`), this.label);
  }
}

/** A project file on disk, with its masks in the folder `<path>.masks`. Throws nothing yet: see `ProjectStorage`. */
export const openProjectStorage = (path: string): ProjectStorage => new NodeProjectStorage(path);
