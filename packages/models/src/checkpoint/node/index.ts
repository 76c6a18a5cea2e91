/** Where checkpoints come from in Node: files, `file:` URLs and HTTP. */
import { fileURLToPath } from 'node:url';
import { type ByteSource, CountingSource } from '../byte-source.js';
import { openHttpSource } from '../http-source.js';
import type { LocationOptions } from '../types.js';
import { openFileSource } from './file-source.js';

/** Opens a path or URL. @throws CheckpointError `unreadable` */
export async function openLocation(location: string | URL, options?: LocationOptions): Promise<ByteSource> {
  const text = String(location);
  if (/^https?:/i.test(text)) return openHttpSource(text, options);
  const source = await openFileSource(/^file:/i.test(text) ? fileURLToPath(text) : text);
  return options?.onProgress ? new CountingSource(source, options.onProgress) : source;
}
