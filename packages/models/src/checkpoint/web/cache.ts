import { BlobSource, type ByteSource, MemorySource } from '../byte-source.js';
import { CheckpointError } from '../error.js';
import { contentRangeTotal, fetchStart, fetchWhole, type HttpOptions } from '../http-source.js';

/** The cache's name in the origin's Cache Storage. */
const CACHE = 'samtrack-weights';
/** So much of a file tells whether it is the one that was kept: the header, and some values. */
const START_BYTES = 1 << 16;

/**
 * A file from the origin's Cache Storage, or fetched and kept there. What was kept is compared with what the server has by its
 * first bytes, its size and its tag; it is taken as it is where the server cannot be reached.
 * @returns Nothing where a page has no such storage.
 * @throws CheckpointError `unreadable`
 */
export async function openCached(url: string, options: HttpOptions): Promise<ByteSource | undefined> {
  const cache = await globalThis.caches?.open(CACHE).catch(() => undefined);
  if (!cache) return undefined;
  const kept = await cache.match(url).catch(() => undefined);
  if (kept) {
    const blob = await kept.blob();
    if (await isCurrent(url, blob, kept.headers.get('etag'), options)) {
      options.onProgress?.({ bytes: blob.size, total: blob.size });
      return new BlobSource(blob, url);
    }
    await cache.delete(url);
  }
  const { body, headers } = await fetchWhole(url, options);
  const etag = headers.get('etag');
  // The origin's quota may be used up; then it is fetched again the next time.
  await cache.put(url, new Response(body, { headers: etag ? { etag } : {} })).catch(() => undefined);
  return new MemorySource(body, url);
}

async function isCurrent(url: string, kept: Blob, etag: string | null, options: HttpOptions): Promise<boolean> {
  try {
    const { headers, body } = await fetchStart(url, START_BYTES, options);
    const now = headers.get('etag');
    if (etag !== null && now !== null && etag !== now) return false;
    const total = contentRangeTotal(headers);
    if (total !== undefined && total !== kept.size) return false;
    const start = new Uint8Array(await kept.slice(0, body.byteLength).arrayBuffer());
    return start.byteLength === body.byteLength && start.every((byte, i) => byte === body[i]);
  } catch (error) {
    // Away from the network.
    if (error instanceof CheckpointError) return true;
    throw error;
  }
}
