import { OutputError } from '../errors.js';

export function outputError(path: string, cause: unknown): OutputError {
  const { name, message } = cause as DOMException;
  if (name === 'QuotaExceededError')
    return new OutputError('disk-full', path, `no storage left (${message})`, { cause });
  if (name === 'NotAllowedError' || name === 'NoModificationAllowedError') {
    return new OutputError('not-writable', path, `cannot be written (${message})`, { cause });
  }
  return new OutputError('write-failed', path, message, { cause });
}
