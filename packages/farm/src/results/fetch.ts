import { link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { FarmError, isFarmError } from '../errors.js';
import { fileSha256, readChunk, readStoredFile, sha256 } from '../ledger/chunk.js';
import type { Chunk, LedgerState, StoredFile } from '../ledger/entries.js';
import type { Storage } from '../storage/storage.js';

/** Where a file of the results goes, with its folder made. */
async function placeOf(root: string, name: string): Promise<string> {
  const file = resolve(root, name);
  if (!file.startsWith(resolve(root) + sep)) throw new FarmError('storage-damaged', name, 'leads out of the results');
  await mkdir(dirname(file), { recursive: true });
  return file;
}

/** Writes the files of a chunk into a folder. @returns their paths. Throws as `readChunk`, with nothing written */
export async function unpackChunk(storage: Storage, chunk: Chunk, folder: string): Promise<void> {
  for (const [name, bytes] of Object.entries(await readChunk(storage, chunk))) {
    await writeFile(await placeOf(folder, name), bytes);
  }
}

/** Writes a file of which the latest state counts into a folder. @throws FarmError `storage-damaged` */
export async function readLatest(storage: Storage, file: StoredFile, folder: string): Promise<void> {
  await readStoredFile(storage, file, await placeOf(folder, file.path));
}

/**
 * Writes the results of a job into a folder, as `samtrack track --out` leaves them; of an unfinished one the masks so far. Files that are
 * there already and the same stay; others are never replaced.
 * @returns the files' paths
 * @throws FarmError `storage-damaged`; `not-empty` where the folder holds something else; and what writing throws
 */
export async function fetchResults(
  storage: Storage,
  { commits, done }: LedgerState,
  folder: string,
): Promise<string[]> {
  const paths: string[] = [];
  // A file may have been stored several times while it grew: the last one counts.
  const contents = new Map<string, Uint8Array>();
  const chunks = [...commits.map(({ entry }) => entry.chunk), ...(done?.chunk ? [done.chunk] : [])];
  for (const chunk of chunks) {
    for (const [name, bytes] of Object.entries(await readChunk(storage, chunk))) {
      if (!name.endsWith('.png')) continue;
      contents.delete(name);
      contents.set(name, bytes);
    }
  }
  for (const [name, bytes] of contents) {
    const path = await placeOf(folder, name);
    await writeFile(path, bytes, { flag: 'wx' }).catch((error) => keepSame(error, path, sha256(bytes)));
    paths.push(path);
  }
  for (const file of done?.files ?? []) {
    const path = await placeOf(folder, file.path);
    const temporary = `${path}.partial`;
    await readStoredFile(storage, file, temporary);
    try {
      await link(temporary, path).catch((error) => keepSame(error, path, file.sha256));
    } finally {
      await rm(temporary, { force: true });
    }
    paths.push(path);
  }
  return paths.sort();
}

/** Accepts a file that is there already if it holds the same. */
async function keepSame(error: unknown, path: string, digest: string): Promise<void> {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  if ((await fileSha256(path)) !== digest) {
    throw new FarmError('not-empty', path, 'holds something else, which is not replaced: choose another folder');
  }
}

/** What of a job's stored results is damaged or missing; undefined where nothing is. Throws as `Storage`. */
export async function damageOf(storage: Storage, { commits, done }: LedgerState): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'samtrack-check-'));
  try {
    const chunks = [...commits.map(({ entry }) => entry.chunk), ...(done?.chunk ? [done.chunk] : [])];
    for (const chunk of chunks) await readChunk(storage, chunk);
    for (const file of done?.files ?? []) await readStoredFile(storage, file, join(folder, 'file'));
    return undefined;
  } catch (error) {
    if (!isFarmError(error, 'storage-damaged')) throw error;
    return error.message;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
