import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Checkpoint, CheckpointError, detectArchitecture, openCheckpoint } from '@samtrack/models/checkpoint';
import { cacheFolder } from './cache-folder.js';
import { type CatalogEntry, findEntry } from './catalog.js';
import { type DownloadOptions, download } from './download.js';
import { driveUrl } from './google-drive.js';
import { hashFile } from './hash.js';

/** Options of `pull`. */
export interface PullOptions
  extends Pick<DownloadOptions, 'signal' | 'onProgress' | 'retries' | 'retryDelay' | 'timeout'> {
  /** Where files are kept; `cacheFolder()` by default. */
  readonly folder?: string | undefined;
  /** Fetch again what is in the cache. */
  readonly force?: boolean | undefined;
}

/** A checkpoint in the cache. */
export interface PullResult {
  readonly entry: CatalogEntry;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** True if it was in the cache and nothing was fetched. */
  readonly cached: boolean;
  /** False if the catalogue states no hash: then only the format and the architecture were checked. */
  readonly hashChecked: boolean;
}

/**
 * Brings a checkpoint of the catalogue into the cache: resumable, checked against size and hash, once only.
 * @param name an id or file name of the catalogue, or an entry
 * @throws WeightsError; CheckpointError if a file without published hash is no checkpoint of this model (it is deleted)
 */
export async function pull(name: string | CatalogEntry, options: PullOptions = {}): Promise<PullResult> {
  const entry = typeof name === 'string' ? findEntry(name) : name;
  const path = join(options.folder ?? cacheFolder(), entry.file);
  const hashChecked = entry.sha256 !== undefined;
  if (!options.force) {
    const held = await cached(entry, path, options.signal);
    if (held) return { entry, path, ...held, cached: true, hashChecked };
  }
  const url = entry.source.kind === 'url' ? entry.source.url : driveUrl(entry.source.id);
  const { bytes, sha256 } = await download(url, path, { ...options, size: entry.size, sha256: entry.sha256 });
  if (!hashChecked) await checkContent(entry, path);
  await writeRecord(path, sha256);
  return { entry, path, bytes, sha256, cached: false, hashChecked };
}

/** What was known of a file when it was written, so that it need not be hashed at every start. */
interface FileRecord {
  readonly sha256: string;
  readonly bytes: number;
  readonly modified: number;
}

const recordPath = (path: string): string => `${path}.sha256.json`;

async function writeRecord(path: string, sha256: string): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  const record: FileRecord = { sha256, bytes: size, modified: mtimeMs };
  // In a cache that cannot be written the file is hashed at every start, and that is all.
  await writeFile(recordPath(path), JSON.stringify(record)).catch(() => undefined);
}

/** The file in the cache, if it is what the catalogue says; a damaged one counts as absent. */
async function cached(entry: CatalogEntry, path: string, signal: AbortSignal | undefined) {
  const found = await stat(path).catch(() => undefined);
  if (!found || (entry.size !== undefined && found.size !== entry.size)) return undefined;
  const record: Partial<FileRecord> = await readFile(recordPath(path), 'utf8')
    .then(JSON.parse)
    .catch(() => ({}));
  const fresh = record.bytes === found.size && record.modified === found.mtimeMs && typeof record.sha256 === 'string';
  const sha256 = fresh ? record.sha256! : await hashFile(path, { signal });
  if (entry.sha256 !== undefined && sha256 !== entry.sha256) return undefined;
  if (!fresh) {
    if (entry.sha256 === undefined) await checkContent(entry, path);
    await writeRecord(path, sha256);
  }
  return { bytes: found.size, sha256 };
}

/** Without a published hash, the file must at least be a checkpoint of the model that the catalogue names. */
async function checkContent(entry: CatalogEntry, path: string): Promise<void> {
  let checkpoint: Checkpoint | undefined;
  try {
    checkpoint = await openCheckpoint(path);
    const family = detectArchitecture(checkpoint)?.family;
    if (family !== entry.family) {
      throw new CheckpointError(
        'wrong-architecture',
        `the file holds ${family ?? 'another model'}, not ${entry.title}`,
        {
          file: path,
        },
      );
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await checkpoint?.close();
  }
}
