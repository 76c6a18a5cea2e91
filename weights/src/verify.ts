import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  type Architecture,
  CheckpointError,
  describeArchitecture,
  detectArchitecture,
  openCheckpoint,
} from '@samtrack/models/checkpoint';
import { type CatalogEntry, catalog } from './catalog.js';
import { hashFile } from './hash.js';

/** Options of `verify`. */
export interface VerifyOptions {
  /** What the file should be; by default the entry with its hash, else with its name. */
  readonly entry?: CatalogEntry | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with bytes hashed so far and all bytes. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

/** What `verify` found. */
export interface Verification {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The entry of the catalogue it was compared with. */
  readonly entry: CatalogEntry | undefined;
  /** `undefined` if no hash is known for it. */
  readonly hashMatches: boolean | undefined;
  readonly architecture: Architecture | undefined;
  /** Everything that is wrong; empty for a good file. */
  readonly problems: readonly string[];
}

/**
 * Reads a whole checkpoint: hash and size against the catalogue, architecture, number of tensors, and that every value is finite.
 * What is wrong with the content is listed, not thrown.
 * @throws CheckpointError `unreadable`
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<Verification> {
  const { signal, onProgress } = options;
  const bytes = await stat(path).then(
    ({ size }) => size,
    (cause: Error) => {
      throw new CheckpointError('unreadable', `cannot open: ${cause.message}`, { file: path, cause });
    },
  );
  const sha256 = await hashFile(path, { signal, onProgress: (done) => onProgress?.(done, bytes) });
  const entry =
    options.entry ??
    catalog.find((known) => known.sha256 === sha256) ??
    catalog.find(({ file }) => file === basename(path));
  const problems: string[] = [];
  const hashMatches = entry?.sha256 === undefined ? undefined : entry.sha256 === sha256;
  if (entry?.size !== undefined && entry.size !== bytes) {
    problems.push(`the file has ${bytes} bytes, ${entry.title} has ${entry.size}`);
  }
  if (hashMatches === false) problems.push(`SHA-256 is ${sha256}, that of ${entry!.title} is ${entry!.sha256}`);
  const architecture = await verifyContent(path, entry, problems, signal);
  return { file: path, bytes, sha256, entry, hashMatches, architecture, problems };
}

async function verifyContent(
  path: string,
  entry: CatalogEntry | undefined,
  problems: string[],
  signal: AbortSignal | undefined,
): Promise<Architecture | undefined> {
  try {
    const checkpoint = await openCheckpoint(path, { signal });
    try {
      for (const key of checkpoint.keys) {
        const { data } = await checkpoint.read(key, { signal });
        const bad = data.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0) problems.push(`"${key}" holds ${data[bad]} at flat index ${bad}`);
      }
      const architecture = detectArchitecture(checkpoint);
      if (entry) compare(entry, architecture, checkpoint.keys.length, problems);
      return architecture;
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

function compare(entry: CatalogEntry, found: Architecture | undefined, tensors: number, problems: string[]): void {
  const same =
    found?.family === entry.family &&
    found.encoder === entry.encoder &&
    (!('layers' in found) || entry.layers === undefined || found.layers === entry.layers);
  if (!same) {
    problems.push(
      `the tensors are those of ${found ? describeArchitecture(found) : 'an unknown model'}, not of ${entry.title}`,
    );
  }
  if (entry.tensors !== undefined && tensors < entry.tensors) {
    problems.push(`${tensors} tensors, ${entry.title} has ${entry.tensors}: some are missing`);
  }
}
