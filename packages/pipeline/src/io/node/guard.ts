import type { BigIntStats } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OutputError } from '../errors.js';
import type { RunInput } from '../run-inputs.js';

const idOf = ({ dev, ino }: BigIntStats) => `${dev}:${ino}`;
const identity = (path: string) => stat(path, { bigint: true }).then(idOf, () => undefined);

/** A path through all links; what does not exist yet keeps its name below the folder that does. */
async function realPath(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(await realPath(parent), basename(absolute));
  }
}

/** Folders above a path, the nearest first. */
function* above(path: string): Generator<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    yield folder;
    if (folder === dirname(folder)) return;
  }
}

/**
 * Recognises the inputs of a run by what they are on disk (device and inode), so that links, relative paths, mounts and file systems that
 * do not tell upper from lower case make no difference.
 * @returns see `OutputFolder.guard`
 */
export async function guardInputs(
  label: string,
  inputs: readonly RunInput[],
): Promise<(path: string) => Promise<void>> {
  const known = new Map<string, RunInput>();
  for (const input of inputs) {
    const path = await realPath(input.path);
    known.set(`${input.scope} ${path}`, input);
    const id = await identity(path);
    if (id) known.set(`${input.scope} ${id}`, input);
  }
  const find = (scope: RunInput['scope'], names: readonly (string | undefined)[]) => {
    for (const name of names) {
      const input = name === undefined ? undefined : known.get(`${scope} ${name}`);
      if (input) return input;
    }
    return undefined;
  };
  return async (path) => {
    if (known.size === 0) return;
    const target = join(label, path.endsWith('/') ? `${path}anything` : path);
    // The last part is not followed: replacing or removing a link leaves alone what it leads to.
    const real = join(await realPath(dirname(target)), basename(target));
    const own = await lstat(real, { bigint: true }).then(idOf, () => undefined);
    let input = find('file', [real, own]);
    for (const [depth, folder] of [...above(real)].entries()) {
      if (input) break;
      const names = [folder, await identity(folder)];
      input = (depth === 0 ? find('folder', names) : undefined) ?? find('tree', names);
    }
    if (!input) return;
    const where = input.scope === 'file' ? `is ${input.what}` : `lies in ${input.path}, ${input.what}`;
    throw new OutputError('input', join(label, path), `${where}; choose another folder for the results`);
  };
}
