import { FolderStorage } from './folder.js';
import { S3Storage } from './s3.js';
import type { Storage } from './storage.js';

/**
 * Opens a storage: a folder by its path, S3 by its URL.
 * @throws FarmError `storage-away`, `storage-unsuitable`
 */
export const openStorage = (where: string, options?: { create?: boolean }): Promise<Storage> =>
  where.startsWith('s3://') ? S3Storage.open(where, options) : FolderStorage.open(where, options);
