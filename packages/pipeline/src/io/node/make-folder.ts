import { mkdir, mkdtemp, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { outputError } from './output-error.js';

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code;

/**
 * Creates a folder and those above it, where they are missing. Unlike Node's recursive `mkdir` it comes to an end where a folder that is
 * there can hold no others (`/proc`, a working directory that was deleted). Throws as `mkdir`.
 * @param make the file operation; tests put another in its place that fails
 */
export async function makeFolder(path: string, make: (path: string) => Promise<unknown> = mkdir): Promise<void> {
  try {
    await make(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' && dirname(path) !== path && !(await isFolder(dirname(path)))) {
      await makeFolder(dirname(path), make);
      await makeFolder(path, make);
      return;
    }
    // Windows and read-only file systems may name another reason for a folder that is there.
    if (!(await isFolder(path))) throw cause;
  }
}

const isFolder = (path: string) =>
  stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );

/**
 * Finds out whether anything can be made in a folder, or in the nearest one above it that is there, and leaves nothing behind.
 * @throws OutputError `not-writable`, `disk-full`, `write-failed`
 */
export async function checkWritable(folder: string): Promise<void> {
  let nearest = resolve(folder);
  for (;;) {
    const cause = await stat(nearest).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (cause === undefined) break;
    if (codeOf(cause) !== 'ENOENT' || dirname(nearest) === nearest) throw outputError(folder, cause);
    nearest = dirname(nearest);
  }
  try {
    await rmdir(await mkdtemp(join(nearest, '.samtrack-')));
  } catch (cause) {
    throw outputError(folder, cause);
  }
}
