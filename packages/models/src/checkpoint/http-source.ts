import { type ByteSource, checkRange, MemorySource, ReadAheadSource } from './byte-source.js';
import { CheckpointError } from './error.js';
import type { ReadOptions } from './types.js';

const ATTEMPTS = 3;
/** The first request asks for this much: enough for a safetensors header or the start of a page that is no checkpoint. */
const FIRST_BYTES = 1 << 16;

/**
 * A checkpoint behind a URL, read by HTTP ranges. A server that ignores ranges, or does not say how large
 * the file is, is read whole into memory.
 * @throws CheckpointError `unreadable` (network, status)
 */
export async function openHttpSource(url: string, options: ReadOptions = {}): Promise<ByteSource> {
  const { response, body } = await request(url, { Range: `bytes=0-${FIRST_BYTES - 1}` }, options);
  const total = contentRangeTotal(response);
  if (response.status === 206 && total !== undefined) {
    return new ReadAheadSource(new HttpRangeSource(url, total, response.headers.get('etag')));
  }
  if (response.status === 416) throw unreadable(url, 'the server has no bytes: the file is empty');
  if (response.status === 206) {
    // The size is not said, or hidden from a page of another origin (it takes `Access-Control-Expose-Headers: Content-Range`).
    return new MemorySource((await request(url, {}, options)).body, url);
  }
  return new MemorySource(body, url);
}

class HttpRangeSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #etag: string | null;

  constructor(url: string, size: number, etag: string | null) {
    this.name = url;
    this.size = size;
    // A weak validator may not be used with If-Range.
    this.#etag = etag?.startsWith('W/') ? null : etag;
  }

  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    if (length === 0) return new Uint8Array(0);
    const headers: Record<string, string> = { Range: `bytes=${offset}-${offset + length - 1}` };
    if (this.#etag) headers['If-Range'] = this.#etag;
    const { response, body } = await request(this.name, headers, options);
    if (response.status !== 206) {
      throw unreadable(
        this.name,
        `a range was asked for and status ${response.status} came back: has the file changed?`,
      );
    }
    if (body.byteLength !== length) {
      throw new CheckpointError('truncated', `${length} bytes were asked for, ${body.byteLength} came`, {
        file: this.name,
      });
    }
    return body;
  }

  async close(): Promise<void> {}
}

/** A GET with its body; network failures and server errors are tried again. */
async function request(url: string, headers: Record<string, string>, { signal }: ReadOptions) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, { headers, signal: signal ?? null });
      if (response.status >= 500 && attempt < ATTEMPTS) {
        await response.body?.cancel();
        continue;
      }
      if (!response.ok && response.status !== 416) {
        await response.body?.cancel();
        throw unreadable(url, `the server answers ${response.status} ${response.statusText}`);
      }
      return { response, body: new Uint8Array(await response.arrayBuffer()) };
    } catch (cause) {
      if (cause instanceof CheckpointError) throw cause;
      signal?.throwIfAborted();
      if (attempt === ATTEMPTS) throw unreadable(url, 'the connection fails', cause);
    }
  }
}

/** `Content-Range: bytes 0-99/1234` gives 1234. */
function contentRangeTotal(response: Response): number | undefined {
  const match = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  return match ? Number(match[1]) : undefined;
}

function unreadable(file: string, message: string, cause?: unknown): CheckpointError {
  return new CheckpointError('unreadable', message, { file, cause });
}
