import { FarmError } from '../errors.js';
import { FolderStorage } from './folder.js';
import { S3Storage } from './s3.js';
import type { Storage } from './storage.js';

/** A scheme, which is no drive of Windows. */
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;

/**
 * Opens a storage: a folder by its path, S3 by its URL.
 * @throws FarmError `storage-away`, `storage-unsuitable`
 */
export async function openStorage(where: string, options?: { create?: boolean }): Promise<Storage> {
  if (/^s3:\/\/[^/?]/.test(where) && URL.canParse(where)) return S3Storage.open(where, options);
  if (SCHEME.test(where)) {
    throw new FarmError('storage-unsuitable', where, 'a storage is a folder, or s3://BUCKET/PREFIX?endpoint=URL');
  }
  return FolderStorage.open(where, options);
}
