/** Commands of packages that are installed beside samtrack: known by name here, loaded when they are called. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Their names, one line for the list of commands, and the package. */
export const OPTIONAL_COMMANDS = [
  { name: 'submit', summary: 'queue videos for the workers of a farm', package: '@samtrack/farm' },
  { name: 'worker', summary: "run queued jobs on this machine's GPU", package: '@samtrack/farm' },
  { name: 'jobs', summary: 'list, watch, cancel and fetch queued jobs', package: '@samtrack/farm' },
] as const;

/** A command or an option needs a package that is not installed. */
export class MissingPackageError extends Error {
  override readonly name = 'MissingPackageError';
  constructor(
    readonly what: string,
    readonly packageName: string,
    options?: ErrorOptions,
  ) {
    super(`${what} needs the package ${packageName}: npm install ${packageName}`, options);
  }
}

/**
 * The commands of an optional package, installed beside samtrack or where the program was started.
 * @param what the command or option that needs it, for the message
 * @throws MissingPackageError
 */
export async function optionalCommands<T>(packageName: string, what: string): Promise<T> {
  const entry = `${packageName}/commands`;
  const fromHere = () => createRequire(join(process.cwd(), 'package.json')).resolve(entry);
  try {
    return await import(entry).catch(async (error) => {
      if (!isMissing(error, packageName)) throw error;
      return import(pathToFileURL(fromHere()).href);
    });
  } catch (error) {
    if (!isMissing(error, packageName)) throw error;
    throw new MissingPackageError(what, packageName, { cause: error });
  }
}

const isMissing = (error: unknown, packageName: string) =>
  ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '') &&
  (error as Error).message.includes(packageName);
