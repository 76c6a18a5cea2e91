import { readFile, rm, writeFile } from 'node:fs/promises';
import { WeightsError } from './error.js';

/**
 * Takes `path` as a lock, so that two processes do not write one file. A lock whose process is gone is taken over.
 * @returns a function that gives the lock back
 * @throws WeightsError `busy`
 */
export async function lock(path: string): Promise<() => Promise<void>> {
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (attempt > 0 || isAlive(owner)) {
      throw new WeightsError('busy', `process ${owner} is downloading this file; if it is not, delete ${path}`, {
        file: path,
      });
    }
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
