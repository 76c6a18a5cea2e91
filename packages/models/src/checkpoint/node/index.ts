/** Where checkpoints come from in Node: files, `file:` URLs and HTTP. */
import { fileURLToPath } from 'node:url';
import type { ByteSource } from '../byte-source.js';
import { openHttpSource } from '../http-source.js';
import type { ReadOptions } from '../types.js';
import { openFileSource } from './file-source.js';

/** Opens a path or URL. @throws CheckpointError `unreadable` */
export async function openLocation(location: string | URL, options?: ReadOptions): Promise<ByteSource> {
  const text = String(location);
  if (/^https?:/i.test(text)) return openHttpSource(text, options);
  return openFileSource(/^file:/i.test(text) ? fileURLToPath(text) : text);
}
