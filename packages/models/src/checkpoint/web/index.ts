/** Where checkpoints come from in a browser: HTTP (relative URLs included). Files chosen by the user come as `File`, which needs no location. */
import type { ByteSource } from '../byte-source.js';
import { openHttpSource } from '../http-source.js';
import type { LocationOptions } from '../types.js';
import { openCached } from './cache.js';

/** Opens a URL, relative to the page. @throws CheckpointError `unreadable` */
export async function openLocation(location: string | URL, options: LocationOptions = {}): Promise<ByteSource> {
  const url = new URL(location, globalThis.location?.href).href;
  const cached = options.cache && /^https?:/.test(url) ? await openCached(url, options) : undefined;
  return cached ?? openHttpSource(url, options);
}
