/** Where checkpoints come from in a browser: HTTP (relative URLs included). Files chosen by the user come as `File`, which needs no location. */
import type { ByteSource } from '../byte-source.js';
import { openHttpSource } from '../http-source.js';
import type { ReadOptions } from '../types.js';

/** Opens a URL, relative to the page. @throws CheckpointError `unreadable` */
export async function openLocation(location: string | URL, options?: ReadOptions): Promise<ByteSource> {
  return openHttpSource(String(location), options);
}
