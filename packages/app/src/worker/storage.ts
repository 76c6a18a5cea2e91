import { OutputError, openProjectStorage } from 'samtrack';
import type { StoredProject } from '../protocol.js';

/**
 * What the page keeps in the origin's private file system, beside the session's own files (`<id>` and `<id>.masks/`):
 *
 *     samtrack/projects/<id>.json      what the list of projects shows
 *     samtrack/sources/<id>/           copies of what was opened
 *     samtrack/models/                 downloaded weights
 *     samtrack/exports/                files on their way out
 */
const FOLDERS = ['projects', 'sources', 'models', 'exports'] as const;

export async function folderOf(name: (typeof FOLDERS)[number], id?: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const home = await root.getDirectoryHandle('samtrack', { create: true });
  const folder = await home.getDirectoryHandle(name, { create: true });
  return id === undefined ? folder : folder.getDirectoryHandle(id, { create: true });
}

/** What stands in the list beside the facts that are looked up. */
export type ProjectRecord = Omit<StoredProject, 'bytes' | 'thumb'> & { thumb?: string };

const fileNames = async (folder: FileSystemDirectoryHandle) => {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names.sort();
};

async function bytesIn(folder: FileSystemDirectoryHandle | undefined): Promise<number> {
  let bytes = 0;
  if (folder) {
    for await (const handle of folder.values()) {
      if (handle.kind === 'file') bytes += (await (handle as FileSystemFileHandle).getFile()).size;
    }
  }
  return bytes;
}

/** Writes a file at once or piece by piece; it appears when all of it is there. @throws OutputError `disk-full` and others */
export async function writeFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  data: Blob | string | AsyncIterable<Uint8Array>,
): Promise<void> {
  let isNew = false;
  try {
    isNew = await folder.getFileHandle(name).then(
      () => false,
      () => true,
    );
    const handle = await folder.getFileHandle(name, { create: true });
    const stream = await handle.createWritable();
    try {
      if (typeof data === 'string' || data instanceof Blob) await stream.write(data);
      else for await (const piece of data) await stream.write(piece as Uint8Array<ArrayBuffer>);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => {});
      throw error;
    }
  } catch (cause) {
    // What was there before is still there, whole; an empty file is not left.
    if (isNew) await folder.removeEntry(name).catch(() => {});
    const { name: kind, message } = cause as DOMException;
    const full = kind === 'QuotaExceededError';
    throw new OutputError(full ? 'disk-full' : 'write-failed', name, full ? 'no storage left' : message, { cause });
  }
}

export async function writeRecord(record: ProjectRecord): Promise<void> {
  await writeFile(await folderOf('projects'), `${record.id}.json`, JSON.stringify(record));
}

export async function readRecord(id: string): Promise<ProjectRecord | undefined> {
  try {
    const file = await (await (await folderOf('projects')).getFileHandle(`${id}.json`)).getFile();
    return JSON.parse(await file.text()) as ProjectRecord;
  } catch {
    // None, or one that a full disk cut off: the project itself is told by its own file.
    return undefined;
  }
}

/** Projects, the newest first. */
export async function listProjects(): Promise<StoredProject[]> {
  const folder = await folderOf('projects');
  const root = await navigator.storage.getDirectory();
  const all: StoredProject[] = [];
  for (const name of await fileNames(folder)) {
    const record = await readRecord(name.replace(/\.json$/, ''));
    if (!record) continue;
    const masks = await root.getDirectoryHandle(`${record.id}.masks`).catch(() => undefined);
    const source = await (await folderOf('sources')).getDirectoryHandle(record.id).catch(() => undefined);
    const { thumb, ...rest } = record;
    all.push({
      ...rest,
      bytes: (await bytesIn(masks)) + (await bytesIn(source)),
      ...(thumb
        ? { thumb: new Blob([Uint8Array.from(atob(thumb), (c) => c.charCodeAt(0))], { type: 'image/jpeg' }) }
        : {}),
    });
  }
  return all.sort((a, b) => b.changed - a.changed);
}

/** Removes a project with everything that belongs to it. @throws OutputError `busy` while a tab works on it: nothing is removed then */
export async function removeProject(id: string): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const gone = (work: Promise<void>) => work.catch(() => {});
  const unlock = await openProjectStorage(id)
    .lock()
    .catch(async (cause) => {
      const { name = id } = (await readRecord(id)) ?? {};
      throw new OutputError('busy', name, 'it is not deleted while another tab has it open', { cause });
    });
  await gone(root.removeEntry(id));
  await gone(root.removeEntry(`${id}.masks`, { recursive: true }));
  await gone((await folderOf('sources')).removeEntry(id, { recursive: true }));
  await gone((await folderOf('projects')).removeEntry(`${id}.json`));
  await unlock();
}

/** Copies what was opened, so that the project can be taken up again. @throws OutputError `disk-full` */
export async function keepSource(id: string, files: readonly File[]): Promise<void> {
  const folder = await folderOf('sources', id);
  for (const file of files) await writeFile(folder, file.name, file);
}

/** What was copied; empty if nothing was, or not all of it. */
export async function keptSource(id: string): Promise<File[]> {
  const folder = await folderOf('sources', id);
  const files: File[] = [];
  for (const name of await fileNames(folder)) {
    if (!name.endsWith('.crswap')) files.push(await (await folder.getFileHandle(name)).getFile());
  }
  return files;
}

/** A downloaded checkpoint. */
export async function modelFile(name: string): Promise<File> {
  return (await (await folderOf('models')).getFileHandle(name)).getFile();
}
