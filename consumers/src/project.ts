import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { link, type PackedPackage } from './pack.js';

const HERE = fileURLToPath(new URL('..', import.meta.url));

/** A program outside of the repository that uses the packages. */
export interface Project {
  readonly folder: string;
  /** Adds or replaces a file. */
  write(path: string, text: string): void;
  /** Runs a program of the project's, by default Node. @returns its status, and what it printed, both streams together */
  run(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<{ status: number; output: string }>;
}

/**
 * Makes a project from a template of `projects/`.
 * @param dependencies What it depends on: packed packages, and others that this package or the kernels have.
 */
export function makeProject(
  folder: string,
  template: string | undefined,
  dependencies: readonly string[],
  packed: readonly PackedPackage[],
): Project {
  mkdirSync(folder, { recursive: true });
  if (template) cpSync(join(HERE, 'projects', template), folder, { recursive: true });
  for (const name of dependencies) {
    const own = packed.find(({ manifest }) => manifest.name === name);
    const installed = [HERE, join(HERE, '..', 'packages', 'kernels')].map((from) => join(from, 'node_modules', name));
    link(own?.folder ?? installed.find((path) => existsSync(path))!, join(folder, 'node_modules', name));
  }
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  return {
    folder,
    write,
    run: (args, env = process.env) =>
      new Promise((resolve) => {
        execFile(process.execPath, [...args], { cwd: folder, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
          const status = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
          resolve({ status, output: `${stdout}${stderr}` });
        });
      }),
  };
}
