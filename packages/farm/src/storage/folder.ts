import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { constants, copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FarmError } from '../errors.js';
import { MARKER, markerId, markerText, type Storage } from './storage.js';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Nothing that waiting mends. */
const UNSUITABLE = new Set(['ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? '';

function storageError(path: string, cause: unknown): FarmError {
  if (cause instanceof FarmError) return cause;
  const detail = (cause as Error).message;
  if (FULL.has(codeOf(cause))) return new FarmError('storage-full', path, `no space is left (${detail})`, { cause });
  return new FarmError(UNSUITABLE.has(codeOf(cause)) ? 'storage-unsuitable' : 'storage-away', path, detail, { cause });
}

/** Folders that hold a shared one or a local one. Needs atomic renames and hard links, as NFS and local file systems have them. */
export class FolderStorage implements Storage {
  private readonly made = new Set<string>();

  private constructor(
    readonly label: string,
    readonly id: string,
  ) {}

  /**
   * @param create makes an empty or missing folder a storage; workers do not, since a share that is not mounted looks like that
   * @throws FarmError `storage-away`, `storage-unsuitable`
   */
  static async open(path: string, { create = false } = {}): Promise<FolderStorage> {
    const root = resolve(path);
    const marker = join(root, MARKER);
    try {
      const found = await readFile(marker).catch((error) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
      if (!found && create) {
        await mkdir(root, { recursive: true });
        // The marker may have come meanwhile, from who submits at the same time.
        const names = (await readdir(root)).filter((name) => !name.startsWith('.') && name !== MARKER);
        if (names.length > 0) {
          throw new FarmError('storage-unsuitable', root, `holds other files (${names[0]}): name an empty folder`);
        }
        const fresh = new FolderStorage(root, randomUUID());
        await fresh.create(MARKER, new TextEncoder().encode(markerText(fresh.id)));
        return await FolderStorage.open(path);
      }
      if (!found) {
        throw new FarmError(
          'storage-away',
          root,
          `no ${MARKER}: the folder is not mounted, or nothing was submitted to it yet`,
        );
      }
      const id = markerId(found);
      if (!id) throw new FarmError('storage-unsuitable', marker, 'not the marker of a storage');
      return new FolderStorage(root, id);
    } catch (error) {
      throw storageError(root, error);
    }
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.present(path, (file) => readFile(file));
  }

  async download(path: string, file: string): Promise<boolean> {
    // Reading errors are the storage's, writing errors the disk's: both are told with the path.
    const copied = await this.present(path, async (from) => {
      await copyFile(from, file, constants.COPYFILE_FICLONE);
      return true;
    });
    return copied ?? false;
  }

  async write(path: string, data: Uint8Array): Promise<void> {
    await this.place(path, (temporary) => writeDurably(temporary, data), rename);
  }

  async upload(path: string, file: string): Promise<void> {
    await this.place(path, (temporary) => copyDurably(file, temporary), rename);
  }

  async create(path: string, data: Uint8Array): Promise<boolean> {
    try {
      await this.place(path, (temporary) => writeDurably(temporary, data), link);
      return true;
    } catch (error) {
      const cause = (error as FarmError).cause;
      if (codeOf(cause) === 'EEXIST') return false;
      if (NO_LINKS.has(codeOf(cause))) {
        throw new FarmError('storage-unsuitable', this.label, 'the file system has no hard links', { cause });
      }
      throw error;
    }
  }

  async list(folder: string): Promise<string[]> {
    return this.names(folder, (entry) => entry.isFile());
  }

  async folders(folder: string): Promise<string[]> {
    return this.names(folder, (entry) => entry.isDirectory());
  }

  private async names(folder: string, wanted: (entry: Dirent) => boolean): Promise<string[]> {
    const entries = (await this.present(folder, (path) => readdir(path, { withFileTypes: true }))) ?? [];
    return entries
      .filter((entry) => wanted(entry) && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .sort();
  }

  async remove(path: string): Promise<void> {
    const file = join(this.label, path);
    try {
      await rm(file, { force: true, recursive: true });
    } catch (error) {
      throw storageError(file, error);
    }
  }

  close(): void {}

  /** Writes beside the path and puts it there in one step. */
  private async place(
    path: string,
    write: (temporary: string) => Promise<void>,
    put: (from: string, to: string) => Promise<void>,
  ): Promise<void> {
    const file = join(this.label, path);
    const temporary = join(dirname(file), `.${basename(file)}.${randomUUID().slice(0, 8)}.partial`);
    try {
      await this.make(dirname(path));
      await write(temporary);
      await put(temporary, file);
    } catch (error) {
      this.made.clear();
      throw storageError(file, error);
    } finally {
      await rm(temporary, { force: true }).catch(() => {});
    }
  }

  /** Makes a folder within the storage; never the storage itself. */
  private async make(folder: string): Promise<void> {
    if (folder === '.' || this.made.has(folder)) return;
    await this.make(dirname(folder));
    await mkdir(join(this.label, folder)).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    this.made.add(folder);
  }

  /** What is at a path; undefined if nothing is there although the storage is. */
  private async present<T>(path: string, read: (file: string) => Promise<T>): Promise<T | undefined> {
    const file = join(this.label, path);
    try {
      return await read(file);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw storageError(file, error);
      await stat(join(this.label, MARKER)).catch((cause) => {
        throw storageError(this.label, cause);
      });
      return undefined;
    }
  }
}

async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  const handle = await open(to, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
