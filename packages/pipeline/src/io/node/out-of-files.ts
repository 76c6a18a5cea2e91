import { SourceError } from '../errors.js';

/** Whether something failed since no more files may be open: Node says so by a code, the system's loader by a text. */
export function isOutOfFiles(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE' || /EMFILE|ENFILE|too many open files/i.test(message)) return true;
  }
  return false;
}

/** The error for it. @param what was to be opened */
export const outOfFiles = (what: string, cause: unknown): SourceError =>
  new SourceError(
    'unreadable',
    what,
    'too many files are open at once: this shell allows too few (see ulimit -n; 256 are enough)',
    { cause },
  );
