import { OutputError } from '../errors.js';

/** What is used up, by the error's code. */
const FULL: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would pass the largest size that is allowed here (ulimit -f)',
};
/** Codes of too many open files, in this process or altogether. */
const NO_HANDLES = new Set(['EMFILE', 'ENFILE']);
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST', 'EISDIR']);

export function outputError(path: string, cause: unknown): OutputError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const detail = (cause as Error).message;
  const full = FULL[code];
  if (full !== undefined) return new OutputError('disk-full', path, `${full} (${detail})`, { cause });
  if (NO_HANDLES.has(code)) {
    return new OutputError('write-failed', path, `too many files are open at once here (ulimit -n; ${detail})`, {
      cause,
    });
  }
  if (code === 'ENOTDIR' || (code === 'EEXIST' && (cause as NodeJS.ErrnoException).syscall === 'mkdir')) {
    const reason = `cannot be written: a file is where a folder is needed (${detail})`;
    return new OutputError('not-writable', path, reason, { cause });
  }
  if (NOT_WRITABLE.has(code)) return new OutputError('not-writable', path, `cannot be written (${detail})`, { cause });
  return new OutputError('write-failed', path, detail, { cause });
}
