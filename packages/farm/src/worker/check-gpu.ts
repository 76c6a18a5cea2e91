import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { programFile } from './files.js';

/** A GPU that does not finish in this time is not right. */
const LIMIT_MS = 600_000;

/**
 * Whether this machine computes what the published model computes; asked of a process of its own.
 * @param engine arguments of `samtrack verify` that say on what
 */
export const gpuIsRight = (engine: readonly string[] = []): Promise<boolean> =>
  new Promise((resolve) => {
    const argv = [fileURLToPath(programFile('health')), ...engine];
    execFile(process.execPath, argv, { timeout: LIMIT_MS, killSignal: 'SIGKILL' }, (error) => resolve(error === null));
  });
