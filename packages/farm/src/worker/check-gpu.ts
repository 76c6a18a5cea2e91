import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { programFile } from './files.js';

/** A GPU that does not finish in this time is not right. */
const LIMIT_MS = 600_000;

/** Whether this machine's GPU computes what the published model computes; asked of a process of its own. */
export const gpuIsRight = (adapter?: string): Promise<boolean> =>
  new Promise((resolve) => {
    const argv = [fileURLToPath(programFile('health')), ...(adapter ? ['--adapter', adapter] : [])];
    execFile(process.execPath, argv, { timeout: LIMIT_MS, killSignal: 'SIGKILL' }, (error) => resolve(error === null));
  });
