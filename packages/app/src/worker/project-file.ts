import { type UnzipOptions, unzipSync } from 'fflate';
import { SessionError } from 'samtrack';
import {
  folderOf,
  keptSource,
  type ProjectRecord,
  readRecord,
  removeProject,
  writeFile,
  writeRecord,
} from './storage.js';

/**
 * A project as one file: a zip of what `samtrack track --project NAME.samtrack` keeps on disk, `NAME.samtrack` and
 * `NAME.samtrack.masks/`, and the video in `source/` where it was copied. Unpacked, the command line goes on with it.
 */

/** More than any project has; what claims to is not one. */
const MOST_FILES = 20_000;
const MOST_BYTES = 8e9;
/** Deflate makes nothing smaller than a thousandth; masks and videos are packed already. */
const MOST_RATIO = 200;

/** The files of a project, with their names in the archive. */
export async function writeProject(id: string, name: string): Promise<{ path: string; file: File }[]> {
  const root = await navigator.storage.getDirectory();
  const files = [{ path: name, file: await (await root.getFileHandle(id)).getFile() }];
  const masks = await root.getDirectoryHandle(`${id}.masks`).catch(() => undefined);
  if (masks) {
    for await (const handle of masks.values()) {
      if (handle.kind === 'directory' || handle.name.endsWith('.crswap')) continue;
      files.push({ path: `${name}.masks/${handle.name}`, file: await (handle as FileSystemFileHandle).getFile() });
    }
  }
  const record = await readRecord(id);
  if (record) files.push({ path: 'project.json', file: new File([JSON.stringify(record)], 'project.json') });
  for (const file of await keptSource(id)) files.push({ path: `source/${file.name}`, file });
  return files;
}

/** The entries of an archive, where it holds no more than a project does. */
function unpacked(archive: Uint8Array, bad: (message: string, cause?: unknown) => Error): Record<string, Uint8Array> {
  const sizes: number[] = [];
  const unpack = (options?: UnzipOptions) => {
    try {
      return unzipSync(archive, options);
    } catch (cause) {
      throw bad('it is no project of samtrack: neither an archive nor the file that the command line keeps', cause);
    }
  };
  // Only looked at: what it claims to hold is known before any of it is unpacked.
  unpack({ filter: ({ originalSize }) => sizes.push(originalSize) < 0 });
  if (sizes.length > MOST_FILES) throw bad(`${sizes.length} files are too many for a project`);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  if (bytes > MOST_BYTES || bytes > MOST_RATIO * archive.length) {
    throw bad('what is packed in it is too large for a project');
  }
  return unpack();
}

/**
 * Takes a project file in, under a new id. Nothing is written before all of it was found to be in order.
 * @throws SessionError `corrupt`, `version`
 */
export async function readProject(file: File): Promise<ProjectRecord> {
  const bad = (message: string, cause?: unknown) => new SessionError('corrupt', `${file.name}: ${message}`, { cause });
  if (file.size > MOST_BYTES) throw bad('it is too large for a project');
  const given = new Uint8Array(await file.arrayBuffer());
  // The command line's file by itself, without the masks beside it: they are computed again.
  const entries = headerOf(given)
    ? { [`${file.name.replace(/\.samtrack.*$/i, '')}.samtrack`]: given }
    : unpacked(given, bad);
  const main = Object.keys(entries).find((path) => /^[^/]+\.samtrack$/.test(path));
  if (!main) throw bad('there is no NAME.samtrack in it');
  const header = headerOf(entries[main]!);
  if (!header) throw bad(`${main} is no project of samtrack`);
  if (header.version !== 1) {
    const message = `${file.name}: it is of version ${header.version}; this page reads version 1`;
    throw new SessionError('version', message);
  }
  const id = `p${Date.now().toString(36)}i.samtrack`;
  try {
    return await writeEntries(id, main, header, entries);
  } catch (error) {
    // A disk that is full leaves no half of it.
    await removeProject(id);
    throw error;
  }
}

/** Writes the files of a project. */
async function writeEntries(
  id: string,
  main: string,
  header: Header,
  entries: Readonly<Record<string, Uint8Array>>,
): Promise<ProjectRecord> {
  const root = await navigator.storage.getDirectory();
  const blob = (path: string) => new Blob([entries[path]! as Uint8Array<ArrayBuffer>]);
  const plain = (path: string, prefix: string) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/');
  await writeFile(root, id, blob(main));
  const masks = await root.getDirectoryHandle(`${id}.masks`, { create: true });
  let copied = false;
  for (const path of Object.keys(entries)) {
    if (plain(path, `${main}.masks/`)) await writeFile(masks, path.slice(main.length + 7), blob(path));
    else if (plain(path, 'source/')) {
      await writeFile(await folderOf('sources', id), path.slice(7), blob(path));
      copied = true;
    }
  }
  const record: ProjectRecord = {
    id,
    name: header.source.name || main.replace(/\.samtrack$/, ''),
    source: copied ? 'copy' : demoOf(entries['project.json']),
    width: header.source.width,
    height: header.source.height,
    frameCount: header.source.frameCount ?? 0,
    objects: 0,
    changed: Date.now(),
    frame: 0,
  };
  await writeRecord(record);
  return record;
}

interface Header {
  version: unknown;
  source: { name: string; width: number; height: number; frameCount: number | null };
}

/** The first line of a project. */
function headerOf(bytes: Uint8Array): Header | undefined {
  const end = bytes.indexOf(10);
  if (end < 0 || end > 1 << 16) return undefined;
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    const { source } = header;
    const sized = Number.isInteger(source.width) && Number.isInteger(source.height);
    return header.format === 'samtrack-session' && sized && typeof source.name === 'string' ? header : undefined;
  } catch {
    return undefined;
  }
}

/** The bundled clip needs no copy. */
function demoOf(record: Uint8Array | undefined): ProjectRecord['source'] {
  try {
    return JSON.parse(new TextDecoder().decode(record)).source === 'demo' ? 'demo' : 'elsewhere';
  } catch {
    return 'elsewhere';
  }
}
