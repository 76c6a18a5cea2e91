import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FarmError } from '../errors.js';
import { fileSha256 } from '../ledger/chunk.js';

/** What JSON can say. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A file or folder that a job reads, and the digest of what it held when the job was submitted. */
export interface Input {
  path: string;
  sha256: string;
}

/** A job, as it travels. */
export interface JobSpec {
  /** Which program runs it. */
  kind: string;
  /** What people call it. */
  name: string;
  /** Whatever its results depend on, and nothing else: files by their digests, never by their paths. */
  identity: Json;
  /** What the program needs to know, paths included. */
  parameters: Json;
  inputs: readonly Input[];
}

/** JSON with sorted keys: equal values give equal text. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`).join(',')}}`;
}

/** A job's key: equal for jobs that give equal results. */
export const keyOf = ({ kind, identity }: Pick<JobSpec, 'kind' | 'identity'>): string =>
  createHash('sha256').update(canonical({ kind, identity })).digest('hex');

/** The digest of a file's bytes, or of the names and bytes of all visible files in a folder. @throws FarmError `not-found` */
export async function digestOf(path: string, onPiece?: () => void): Promise<string> {
  try {
    const { isDirectory } = await stat(path).then((stats) => ({ isDirectory: stats.isDirectory() }));
    if (!isDirectory) return await fileSha256(path, onPiece);
    const hash = createHash('sha256');
    const entries = await readdir(path, { withFileTypes: true, recursive: true });
    const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
    const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)).sort();
    for (const file of paths) hash.update(`${file}\0${await fileSha256(join(path, file), onPiece)}\n`);
    return hash.digest('hex');
  } catch (cause) {
    throw new FarmError('not-found', path, (cause as Error).message, { cause });
  }
}

/**
 * @param onPiece called while large files are read
 * @throws FarmError `changed-input` if an input is not what it was, `not-found` if it is gone
 */
export async function checkInputs(inputs: readonly Input[], onPiece?: () => void): Promise<void> {
  for (const { path, sha256 } of inputs) {
    if ((await digestOf(path, onPiece)) !== sha256) {
      throw new FarmError('changed-input', path, 'it is not what it was when the job was submitted: submit it again');
    }
  }
}
