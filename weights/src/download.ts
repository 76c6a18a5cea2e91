/**
 * A resumable download: bytes go to `FILE.part`, which survives failures and aborts; the next call asks for the rest.
 * `FILE` appears only when it is complete and its size and hash are right.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WeightsError } from './error.js';
import { confirmedUrl } from './google-drive.js';
import { updateFromFile } from './hash.js';
import { type Get, openHttp, type Response } from './http.js';
import { lock } from './lock.js';

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes on disk. */
  readonly bytes: number;
  /** Bytes of the whole file, once known. */
  readonly total: number | undefined;
}

/** Options of `download`. */
export interface DownloadOptions {
  /** Bytes the file must have. */
  readonly size?: number | undefined;
  /** Lower-case hex the file must have. */
  readonly sha256?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called at most some ten times a second, and once at the end. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Failures in a row, without a byte of progress, that are forgiven; 4 by default. */
  readonly retries?: number | undefined;
  /** Milliseconds before the first retry, doubled for each further one; 500 by default. */
  readonly retryDelay?: number | undefined;
  /** Longest silence of the server in milliseconds; 60 seconds by default. */
  readonly timeout?: number | undefined;
}

/** A file that was fetched and checked. */
export interface DownloadResult {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Fetches `url` to `path`, through the proxy of the environment.
 * @throws WeightsError; the signal's reason when aborted. After `network` and an abort the part is kept, and calling again resumes.
 */
export async function download(url: string, path: string, options: DownloadOptions = {}): Promise<DownloadResult> {
  options.signal?.throwIfAborted();
  const unlock = await onDisk(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    return lock(`${path}.lock`);
  });
  const http = openHttp({ timeout: options.timeout ?? 60_000 });
  try {
    return await new Download(url, path, options, http.get).run();
  } finally {
    await http.close();
    await unlock();
  }
}

/** What must stay the same for a part to be continued. */
interface PartState {
  readonly url: string;
  /** A strong ETag, for If-Range. */
  readonly etag: string | undefined;
}

/** A failure that a new request may cure; `code` is what it is called if none does. */
class Retryable extends Error {
  readonly code: 'network' | 'truncated';

  constructor(message: string, options: { code?: 'network' | 'truncated'; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = options.code ?? 'network';
  }
}

class Download {
  readonly #url: string;
  readonly #path: string;
  readonly #options: DownloadOptions;
  readonly #get: Get;
  readonly #part: string;
  readonly #stateFile: string;
  #target: string;
  #confirmed = false;
  #hash: Hash = createHash('sha256');
  #bytes = 0;
  #total: number | undefined;
  #state: PartState | undefined;
  #reported = 0;

  constructor(url: string, path: string, options: DownloadOptions, get: Get) {
    this.#url = url;
    this.#target = url;
    this.#path = path;
    this.#options = options;
    this.#get = get;
    this.#part = `${path}.part`;
    this.#stateFile = `${path}.part.json`;
    this.#total = options.size;
  }

  async run(): Promise<DownloadResult> {
    await this.#restore();
    const { retries = 4, retryDelay = 500, signal } = this.#options;
    for (let failures = 0; ; ) {
      const before = this.#bytes;
      try {
        await this.#attempt();
        return await this.#finish();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Retryable)) throw error;
        failures = this.#bytes > before ? 1 : failures + 1;
        if (failures > retries) {
          const have = this.#bytes ? `; ${this.#bytes} bytes are kept, call again to resume` : '';
          throw new WeightsError(error.code, `the download fails: ${error.message}${have}`, {
            url: this.#url,
            file: this.#path,
            cause: error.cause,
          });
        }
        await sleep(retryDelay * 2 ** (failures - 1), signal);
      }
    }
  }

  /** Takes up what an earlier call left, if it was the same URL. */
  async #restore(): Promise<void> {
    const state = await readState(this.#stateFile);
    const part = await stat(this.#part).catch(() => undefined);
    if (!part || state?.url !== this.#url) return this.#discard();
    await updateFromFile(this.#hash, this.#part, { signal: this.#options.signal });
    this.#bytes = part.size;
    this.#state = state;
  }

  async #discard(): Promise<void> {
    await onDisk(this.#path, async () => {
      await rm(this.#part, { force: true });
      await rm(this.#stateFile, { force: true });
    });
    this.#hash = createHash('sha256');
    this.#bytes = 0;
    this.#state = undefined;
    this.#total = this.#options.size;
  }

  /** One request, for what is still missing. */
  async #attempt(): Promise<void> {
    if (this.#options.size !== undefined && this.#bytes === this.#options.size) return;
    const response = await this.#request();
    if (response.status === 416) return this.#rangeRefused(response);
    if (!response.ok) return this.#refused(response);
    if (isHtml(response)) return this.#page(response);
    if (response.status === 206) {
      const range = parseContentRange(response);
      // Another part than the one asked for would be spliced into the wrong place.
      if (!range || range.start !== this.#bytes) {
        await response.body?.cancel();
        await this.#discard();
        throw new Retryable('the server sends another range than the one asked for');
      }
      this.#total = range.total ?? this.#total;
    } else {
      // The server ignores ranges, or the file has changed: from the start.
      if (this.#bytes > 0) await this.#discard();
      const length = response.headers.get('content-length');
      if (length !== null) this.#total = Number(length);
    }
    this.#checkTotal();
    await this.#save(response);
  }

  #request(): Promise<Response> {
    const headers: Record<string, string> = {};
    if (this.#bytes > 0) {
      headers['Range'] = `bytes=${this.#bytes}-`;
      if (this.#state?.etag) headers['If-Range'] = this.#state.etag;
    }
    return this.#get(this.#target, headers, this.#options.signal).catch(retryable);
  }

  /** 416: nothing is left of the file, so either we have it all or the part does not belong to it. */
  async #rangeRefused(response: Response): Promise<void> {
    await response.body?.cancel();
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (this.#bytes > 0 && total !== undefined && Number(total) === this.#bytes) {
      this.#total = this.#bytes;
      return;
    }
    if (this.#bytes === 0) return this.#refused(response);
    await this.#discard();
    throw new Retryable('the part on disk does not belong to the file on the server');
  }

  async #refused(response: Response): Promise<never> {
    await response.body?.cancel().catch(() => undefined);
    const message = `the server answers ${response.status} ${response.statusText}`.trim();
    if (response.status >= 500 || response.status === 429 || response.status === 408) throw new Retryable(message);
    throw new WeightsError('http-status', `${message} for ${this.#url}`, {
      url: this.#url,
      file: this.#path,
      status: response.status,
    });
  }

  /** A page instead of the file: Google Drive's question is answered, once; any other is an error. */
  async #page(response: Response): Promise<void> {
    const page = await readStart(response, 1 << 18).catch(retryable);
    const next = this.#confirmed ? undefined : confirmedUrl(page, response.url || this.#target);
    if (!next) {
      const title = /<title[^>]*>([^<]{1,200})/i.exec(page)?.[1]?.trim();
      throw new WeightsError(
        'html',
        `a web page came instead of the file${title ? `: "${title}"` : ''} (${this.#url})`,
        {
          url: this.#url,
          file: this.#path,
          status: response.status,
        },
      );
    }
    this.#confirmed = true;
    this.#target = next;
    return this.#attempt();
  }

  #checkTotal(): void {
    const { size } = this.#options;
    if (size !== undefined && this.#total !== undefined && this.#total !== size) {
      const code = this.#total < size ? 'truncated' : 'wrong-size';
      throw new WeightsError(code, `the server has a file of ${this.#total} bytes, it should have ${size}`, {
        url: this.#url,
        file: this.#path,
        expected: size,
        actual: this.#total,
      });
    }
  }

  async #save(response: Response): Promise<void> {
    const etag = response.headers.get('etag');
    const state: PartState = { url: this.#url, etag: etag && !etag.startsWith('W/') ? etag : undefined };
    this.#state = state;
    const file = await onDisk(this.#path, async () => {
      await writeFile(this.#stateFile, JSON.stringify(state));
      return open(this.#part, 'a');
    });
    try {
      await this.#append(response, file);
    } finally {
      await file.close();
    }
  }

  async #append(response: Response, file: FileHandle): Promise<void> {
    const chunks = response.body?.[Symbol.asyncIterator]();
    for (;;) {
      const next = await (chunks?.next() ?? Promise.resolve({ done: true as const, value: undefined })).catch(
        retryable,
      );
      if (next.done) break;
      const chunk = next.value as Uint8Array;
      await onDisk(this.#path, () => file.writeFile(chunk));
      this.#hash.update(chunk);
      this.#bytes += chunk.byteLength;
      this.#report(false);
      if (this.#total !== undefined && this.#bytes > this.#total) {
        await chunks?.return?.();
        await this.#discard();
        throw new WeightsError('wrong-size', `the server sends more than the ${this.#total} bytes that it announced`, {
          url: this.#url,
          file: this.#path,
          expected: this.#total,
        });
      }
    }
    if (this.#total !== undefined && this.#bytes < this.#total) {
      throw new Retryable(`the server ends at byte ${this.#bytes} of ${this.#total}`, { code: 'truncated' });
    }
  }

  #report(final: boolean): void {
    const now = performance.now();
    if (!final && now - this.#reported < 100) return;
    this.#reported = now;
    this.#options.onProgress?.({ bytes: this.#bytes, total: this.#total });
  }

  async #finish(): Promise<DownloadResult> {
    const { size, sha256: expected } = this.#options;
    const fields = { url: this.#url, file: this.#path };
    if (size !== undefined && this.#bytes !== size) {
      const actual = this.#bytes;
      await this.#discard();
      const message = `the file has ${actual} bytes, it should have ${size}`;
      throw new WeightsError(actual < size ? 'truncated' : 'wrong-size', message, {
        ...fields,
        expected: size,
        actual,
      });
    }
    const sha256 = this.#hash.digest('hex');
    if (expected !== undefined && sha256 !== expected) {
      await this.#discard();
      throw new WeightsError('wrong-hash', `the file is not the one expected: SHA-256 is ${sha256}, not ${expected}`, {
        ...fields,
        expected,
        actual: sha256,
      });
    }
    if (this.#bytes === 0) {
      await this.#discard();
      throw new WeightsError('truncated', `the server sends an empty file (${this.#url})`, fields);
    }
    this.#report(true);
    await onDisk(this.#path, async () => {
      await rename(this.#part, this.#path);
      await rm(this.#stateFile, { force: true });
    });
    return { path: this.#path, bytes: this.#bytes, sha256 };
  }
}

async function readState(path: string): Promise<PartState | undefined> {
  try {
    const state = JSON.parse(await readFile(path, 'utf8')) as PartState;
    return typeof state?.url === 'string' ? { url: state.url, etag: state.etag } : undefined;
  } catch {
    // No state or a damaged one: then the part is not continued.
    return undefined;
  }
}

function isHtml(response: Response): boolean {
  return /^text\/html\b/i.test(response.headers.get('content-type') ?? '');
}

function parseContentRange(response: Response): { start: number; total: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return match ? { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) } : undefined;
}

async function readStart(response: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length >= limit) break;
  }
  return text;
}

/** A network failure, told as one sentence with its innermost reason. */
function retryable(error: unknown): never {
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const { message, code } = inner as { message?: string; code?: string };
  throw new Retryable([code, message].filter(Boolean).join(': ') || String(error), { cause: error });
}

/** Runs something that writes to the cache; what the file system refuses becomes a WeightsError. */
async function onDisk<T>(file: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof WeightsError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOSPC' ? 'the disk is full' : message;
    throw new WeightsError('disk', `cannot write ${file}: ${reason}`, { file, cause: error });
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }
    function aborted(): void {
      clearTimeout(timer);
      reject(signal!.reason);
    }
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
