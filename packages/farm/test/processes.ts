import { readdirSync, readFileSync } from 'node:fs';

const readProc = (path: string): string => {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
};

/**
 * Whether a process is there. One that has ended and was not waited for is not, unless another one of its threads is still about to: what the
 * process has opened is closed by the last.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const isZombie = /^\d+ \(.*\) Z/.test(readProc(`${pid}/stat`));
  return !isZombie || threadsOf(pid) > 1;
}

const threadsOf = (pid: number): number => {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
};

/** The processes that a process has started, where the system tells. */
export const childrenOf = (pid: number): number[] =>
  readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
