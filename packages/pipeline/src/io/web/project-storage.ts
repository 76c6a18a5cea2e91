import type { AppendFile, ProjectStorage } from '../project-storage.js';
import { WebAppendFile } from './append-file.js';
import { outputError } from './output-error.js';
import { webLock } from './web-lock.js';

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
    return webLock(`samtrack project ${this.label}`, this.label);
  }
}

/** A project in the origin's private file system, by name. Throws nothing yet: see `ProjectStorage`. */
export const openProjectStorage = (name: string): ProjectStorage => new WebProjectStorage(name);
