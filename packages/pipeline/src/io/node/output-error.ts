import { OutputError } from '../errors.js';

const DISK_FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR']);

export function outputError(path: string, cause: unknown): OutputError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const detail = (cause as Error).message;
  if (DISK_FULL.has(code)) return new OutputError('disk-full', path, `the disk is full (${detail})`, { cause });
  if (NOT_WRITABLE.has(code)) return new OutputError('not-writable', path, `cannot be written (${detail})`, { cause });
  return new OutputError('write-failed', path, detail, { cause });
}
