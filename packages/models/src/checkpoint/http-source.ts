import { type ByteSource, checkRange, MemorySource } from './byte-source.js';
import { Coverage } from './coverage.js';
import { CheckpointError } from './error.js';
import type { LoadProgress, ReadOptions } from './types.js';

const ATTEMPTS = 3;
/** The first request asks for this much: enough for a header, or to see a page that is no checkpoint. */
const FIRST_BYTES = 1 << 20;
/** Further requests ask for this much, or for as many of such pieces as a read needs. */
const PIECE_BYTES = 8 << 20;
/** Pieces that were read to their ends are let go once all pieces together are larger than this. */
const KEPT_BYTES = 64 << 20;

/** Options of `openHttpSource`. */
export interface HttpOptions extends ReadOptions {
  /** Called as bytes arrive. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * A checkpoint behind a URL, read by HTTP ranges, no byte of it twice. A server that ignores ranges, or does not say how large
 * the file is, is read whole into memory.
 * @throws CheckpointError `unreadable` (network, status)
 */
export async function openHttpSource(url: string, options: HttpOptions = {}): Promise<ByteSource> {
  const transfer = new Transfer(url, options.onProgress);
  const first = await transfer.get({ Range: `bytes=0-${FIRST_BYTES - 1}` }, options);
  if (first.status === 416) throw unreadable(url, 'the server has no bytes: the file is empty');
  if (first.status !== 206) return new MemorySource(first.body, url);
  const total = contentRangeTotal(first.headers);
  if (total !== undefined) return new HttpRangeSource(transfer, total, first.headers.get('etag'), first.body);
  // The size is not said, or hidden from a page of another origin (it takes `Access-Control-Expose-Headers: Content-Range`).
  if (first.body.byteLength < FIRST_BYTES) return new MemorySource(first.body, url);
  const rest = await transfer.get({ Range: `bytes=${FIRST_BYTES}-` }, options);
  if (rest.status === 416) return new MemorySource(first.body, url);
  return new MemorySource(rest.status === 206 ? joined([first.body, rest.body]) : rest.body, url);
}

/** Fetches a whole file into memory. @throws CheckpointError `unreadable` */
export async function fetchWhole(url: string, options: HttpOptions = {}): Promise<Answer> {
  return new Transfer(url, options.onProgress).get({}, options);
}

/** The first bytes of a file, and its size where the server says it: as little as shows whether it is another one by now. */
export async function fetchStart(url: string, length: number, options: ReadOptions = {}): Promise<Answer> {
  return new Transfer(url, undefined, length).get({ Range: `bytes=0-${length - 1}` }, options);
}

/** The bytes that a server sent, and what it says about them. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Bytes of the whole file, which `Content-Range: bytes 0-99/1234` says. */
export function contentRangeTotal(headers: Headers): number | undefined {
  const match = /^bytes \d+-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '');
  return match ? Number(match[1]) : undefined;
}

/** Requests for one file. */
class Transfer {
  #bytes = 0;
  #total: number | undefined;

  constructor(
    readonly url: string,
    private readonly onProgress: HttpOptions['onProgress'],
    /** An answer is cut off after so many bytes, whatever the server sends. */
    private readonly most = Number.POSITIVE_INFINITY,
  ) {}

  /** A GET with its body; network failures and server errors are tried again. */
  async get(headers: Record<string, string>, { signal }: ReadOptions): Promise<Answer> {
    const { url } = this;
    for (let attempt = 1; ; attempt++) {
      const before = this.#bytes;
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
        return { status: response.status, headers: response.headers, body: await this.#read(response) };
      } catch (cause) {
        if (cause instanceof CheckpointError) throw cause;
        signal?.throwIfAborted();
        if (attempt === ATTEMPTS) throw unreadable(url, 'the connection fails', cause);
        this.#bytes = before;
      }
    }
  }

  async #read(response: Response): Promise<Uint8Array<ArrayBuffer>> {
    if (response.status === 206) this.#total ??= contentRangeTotal(response.headers);
    else if (response.status === 200 && !response.headers.has('content-encoding')) {
      this.#total = Number(response.headers.get('content-length') ?? 0) || undefined;
    }
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    if (!response.body) return new Uint8Array(0);
    const reader = response.body.getReader();
    while (length < this.most) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value as Uint8Array<ArrayBuffer>);
      length += value.byteLength;
      this.#bytes += value.byteLength;
      this.onProgress?.({ bytes: this.#bytes, total: this.#total });
    }
    if (length >= this.most) await reader.cancel();
    return joined(parts);
  }
}

function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** Bytes of a file from `start` on, and which of them have been read. */
interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly read: Coverage;
}

/** Fetches a file in pieces, each when it is first needed, and keeps them while they may be needed again. */
class HttpRangeSource implements ByteSource {
  readonly size: number;
  readonly #pieces = new Map<number, Piece>();
  /** Reads come one after the other, so that none fetches what another is fetching. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #transfer: Transfer;
  readonly #etag: string | null;

  constructor(transfer: Transfer, size: number, etag: string | null, first: Uint8Array<ArrayBuffer>) {
    this.#transfer = transfer;
    this.size = size;
    // A weak validator may not be used with If-Range.
    this.#etag = etag?.startsWith('W/') ? null : etag;
    this.#check(first, Math.min(FIRST_BYTES, size));
    this.#pieces.set(0, { start: 0, bytes: first, read: new Coverage() });
  }

  get name(): string {
    return this.#transfer.url;
  }

  read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const turn = this.#turn.then(() => this.#read(offset, length, options));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    this.#pieces.clear();
  }

  async #read(offset: number, length: number, options: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    checkRange(this, offset, length);
    if (length === 0) return new Uint8Array(0);
    const end = offset + length;
    const last = this.#index(end - 1);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let index = this.#index(offset); index <= last; ) {
      const held = this.#pieces.get(index);
      if (held) {
        parts.push(this.#take(held, offset, end));
        index++;
        continue;
      }
      let next = index + 1;
      while (next <= last && !this.#pieces.has(next)) next++;
      const [from, to] = [this.#start(index), this.#start(next)];
      const bytes = await this.#fetch(from, to, options);
      parts.push(bytes.subarray(Math.max(0, offset - from), Math.min(end, to) - from));
      // The pieces in the middle are read as a whole, and need not be kept.
      for (const edge of new Set([index, next - 1])) {
        const start = this.#start(edge);
        const piece = { start, bytes: bytes.slice(start - from, this.#start(edge + 1) - from), read: new Coverage() };
        this.#take(piece, offset, end);
        if (piece.read.bytes < piece.bytes.byteLength) this.#pieces.set(edge, piece);
      }
      index = next;
    }
    this.#release();
    return joined(parts);
  }

  /** The part of a piece that a read asks for, which counts as read then. */
  #take({ start, bytes, read }: Piece, offset: number, end: number): Uint8Array<ArrayBuffer> {
    const [from, to] = [Math.max(0, offset - start), Math.min(bytes.byteLength, end - start)];
    read.add(from, to);
    return bytes.subarray(from, to);
  }

  #release(): void {
    let kept = [...this.#pieces.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    for (const [index, { bytes, read }] of this.#pieces) {
      if (kept <= KEPT_BYTES) return;
      if (read.bytes < bytes.byteLength) continue;
      this.#pieces.delete(index);
      kept -= bytes.byteLength;
    }
  }

  async #fetch(from: number, to: number, options: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
    const headers: Record<string, string> = { Range: `bytes=${from}-${to - 1}` };
    if (this.#etag) headers['If-Range'] = this.#etag;
    const { status, body } = await this.#transfer.get(headers, options);
    if (status !== 206) {
      throw unreadable(this.name, `a range was asked for and status ${status} came back: has the file changed?`);
    }
    this.#check(body, to - from);
    return body;
  }

  #check({ byteLength }: Uint8Array, length: number): void {
    if (byteLength === length) return;
    throw new CheckpointError('truncated', `${length} bytes were asked for, ${byteLength} came`, { file: this.name });
  }

  #index(offset: number): number {
    return offset < FIRST_BYTES ? 0 : 1 + Math.floor((offset - FIRST_BYTES) / PIECE_BYTES);
  }

  #start(index: number): number {
    return Math.min(this.size, index === 0 ? 0 : FIRST_BYTES + (index - 1) * PIECE_BYTES);
  }
}

function unreadable(file: string, message: string, cause?: unknown): CheckpointError {
  return new CheckpointError('unreadable', message, { file, cause });
}
