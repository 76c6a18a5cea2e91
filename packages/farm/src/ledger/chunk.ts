import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Unzipped, unzipSync, zipSync } from 'fflate';
import { FarmError } from '../errors.js';
import type { Storage } from '../storage/storage.js';
import type { Chunk, StoredFile } from './entries.js';
import { jobFolder } from './ledger.js';

export const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

/** The digest of a file, read in pieces. @param onPiece called after each */
export async function fileSha256(path: string, onPiece?: () => void): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(piece);
    onPiece?.();
  }
  return hash.digest('hex');
}

/** The first moment that zip archives know, in whatever time zone: the same files make the same bytes. */
const ZIP_EPOCH = new Date(1980, 0, 1);

/** Stores files of the results as one archive, named by its digest, so that nothing is ever overwritten with something else. */
export async function writeChunk(
  storage: Storage,
  key: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Chunk> {
  // PNGs do not shrink; whoever opens the archive gets them as they are.
  const archive = zipSync(Object.fromEntries(files), { level: 0, mtime: ZIP_EPOCH });
  const digest = sha256(archive);
  const object = `${jobFolder(key)}/chunks/${digest.slice(0, 32)}.zip`;
  await storage.write(object, archive);
  return { object, bytes: archive.length, sha256: digest };
}

/** The files of a chunk. @throws FarmError `storage-damaged` if it is missing or not what was written */
export async function readChunk(storage: Storage, { object, sha256: digest }: Chunk): Promise<Unzipped> {
  const archive = await storage.read(object);
  const path = `${storage.label}/${object}`;
  if (!archive) throw new FarmError('storage-damaged', path, 'missing');
  if (sha256(archive) !== digest)
    throw new FarmError('storage-damaged', path, 'its checksum is not that of the manifest');
  return unzipSync(archive);
}

/** Stores a file of the results by itself. */
export async function writeStoredFile(
  storage: Storage,
  key: string,
  path: string,
  file: string,
  bytes: number,
): Promise<StoredFile> {
  const digest = await fileSha256(file);
  const object = `${jobFolder(key)}/files/${digest.slice(0, 12)}/${path.split('/').at(-1)}`;
  await storage.upload(object, file);
  return { path, object, bytes, sha256: digest };
}

const latestFolder = (key: string) => `${jobFolder(key)}/latest`;

/** Stores the latest state of a file, beside earlier ones. @param claim whose it is */
export async function writeLatest(
  storage: Storage,
  key: string,
  path: string,
  file: string,
  claim: number,
): Promise<StoredFile> {
  const digest = await fileSha256(file);
  const object = `${latestFolder(key)}/${claim}.${digest.slice(0, 32)}`;
  await storage.upload(object, file);
  return { path, object, bytes: (await stat(file)).size, sha256: digest };
}

/** Names that `writeLatest` gives. */
const LATEST = /^(\d+)\.[0-9a-f]{32}$/;

/** Removes what `writeLatest` has stored for a claim or earlier ones. @param kept stays */
export async function removeLatest(
  storage: Storage,
  key: string,
  claim: number,
  kept: readonly StoredFile[] = [],
): Promise<void> {
  const folder = latestFolder(key);
  for (const name of await storage.list(folder)) {
    const object = `${folder}/${name}`;
    const [, owner] = LATEST.exec(name) ?? [];
    if (owner === undefined || Number(owner) > claim || kept.some((file) => file.object === object)) continue;
    await storage.remove(object);
  }
}

/** Copies a stored file to the disk. @throws FarmError `storage-damaged` */
export async function readStoredFile(
  storage: Storage,
  { object, sha256: digest }: StoredFile,
  target: string,
): Promise<void> {
  const path = `${storage.label}/${object}`;
  if (!(await storage.download(object, target))) throw new FarmError('storage-damaged', path, 'missing');
  if ((await fileSha256(target)) !== digest) {
    throw new FarmError('storage-damaged', path, 'its checksum is not that of the manifest');
  }
}
