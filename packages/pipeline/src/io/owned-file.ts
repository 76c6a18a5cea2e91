import { openOutputFolder } from '#platform';
import type { OutputFile } from './output-folder.js';
import { HIDDEN_RECORD, OwnedFolder } from './owned-folder.js';
import type { RunInput } from './run-inputs.js';

/** Folder and name of a path. */
function split(path: string): { folder: string; name: string } {
  const [, folder = '', name] = /^(.*[\\/])?([^\\/]*)$/.exec(path)!;
  return { folder: folder || '.', name: name! };
}

/**
 * Makes a file that a user has named, in any folder: what is there is replaced only if samtrack made it.
 * The file is committed if `make` returns, and discarded if it throws.
 * @throws OutputError `foreign`, `input`, `busy`, and what writing throws
 */
export async function makeOwnedFile<T>(
  path: string,
  inputs: readonly RunInput[],
  make: (file: OutputFile) => Promise<T>,
): Promise<T> {
  const { folder, name } = split(path);
  const owned = await OwnedFolder.claim(openOutputFolder(folder), { inputs, makes: [name], record: HIDDEN_RECORD });
  try {
    const file = await owned.createFile(name);
    try {
      const result = await make(file);
      await file.commit();
      return result;
    } catch (error) {
      await file.discard();
      throw error;
    }
  } finally {
    await owned.release();
  }
}

/** Whether `makeOwnedFile` may make a file, before there is anything to write. Throws as it does. */
export async function checkOwnedFile(path: string, inputs: readonly RunInput[]): Promise<void> {
  const { folder, name } = split(path);
  const claim = { inputs, makes: [name], record: HIDDEN_RECORD };
  await OwnedFolder.check(openOutputFolder(folder), claim, (owned) => owned.refuseForeign([name]));
}

/** `makeOwnedFile` of data in memory. */
export const writeOwnedFile = (path: string, data: string | Uint8Array, inputs: readonly RunInput[] = []) =>
  makeOwnedFile(path, inputs, (file) =>
    file.write(typeof data === 'string' ? new TextEncoder().encode(data) : data, 0),
  );
