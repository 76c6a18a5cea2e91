import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { DownloadRequest, NetReport } from '../protocol.js';

/** Why a download failed. What had come stays where it can be gone on with. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
  constructor(
    readonly code: 'network' | 'http' | 'html' | 'hash' | 'size' | 'disk-full' | 'busy' | 'stopped',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A file that is written in place; TypeScript knows of it only among workers' types. */
interface AccessHandle {
  getSize(): number;
  truncate(size: number): void;
  write(data: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

const accessTo = (handle: FileSystemFileHandle): Promise<AccessHandle> =>
  (handle as unknown as { createSyncAccessHandle(): Promise<AccessHandle> }).createSyncAccessHandle();

/** Written at once; progress is told as often. */
const BATCH_BYTES = 4 << 20;

async function modelsFolder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const home = await root.getDirectoryHandle('samtrack', { create: true });
  return home.getDirectoryHandle('models', { create: true });
}

const partName = (file: string) => `${file}.part`;

export async function stoppedParts(): Promise<{ file: string; bytes: number }[]> {
  const parts: { file: string; bytes: number }[] = [];
  for await (const handle of (await modelsFolder()).values()) {
    if (handle.kind === 'directory' || !handle.name.endsWith('.part')) continue;
    const { size } = await (handle as FileSystemFileHandle).getFile();
    parts.push({ file: handle.name.slice(0, -'.part'.length), bytes: size });
  }
  return parts;
}

export async function discardPart(file: string): Promise<void> {
  await (await modelsFolder()).removeEntry(partName(file)).catch(() => {});
}

/** One file on its way: as `NAME.part`, until all of it is there and has the right hash. */
export class Download {
  readonly #controller = new AbortController();
  readonly #host: string;

  constructor(
    private readonly request: DownloadRequest,
    private readonly onProgress: (report: NetReport) => void,
  ) {
    this.#host = new URL(request.url).host;
  }

  stop(): void {
    this.#controller.abort();
  }

  /** @throws DownloadError */
  async run(): Promise<void> {
    const folder = await modelsFolder();
    const handle = await folder.getFileHandle(partName(this.request.file), { create: true });
    // A worker may write in place, which a stream that makes a copy of the file first may not.
    const access = await accessTo(handle).catch((cause) => {
      throw new DownloadError('busy', `${this.request.file} is being downloaded in another tab`, { cause });
    });
    let size: number;
    try {
      await this.#fetch(access);
      size = access.getSize();
      access.flush();
    } finally {
      access.close();
    }
    await this.#check(handle, size);
    await (handle as unknown as { move(name: string): Promise<void> }).move(this.request.file);
  }

  async #fetch(access: AccessHandle): Promise<void> {
    const { url, bytes: expected } = this.request;
    const had = access.getSize();
    if (expected !== undefined && had === expected) return;
    const { signal } = this.#controller;
    const response = await fetch(url, {
      signal,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      ...(had > 0 ? { headers: { Range: `bytes=${had}-` } } : {}),
    }).catch((cause) => this.#failed(cause));
    if (!response.ok && response.status !== 416) {
      throw new DownloadError('http', `${this.#host} answers ${response.status}`);
    }
    if (/^text\/html/.test(response.headers.get('content-type') ?? '')) {
      throw new DownloadError('html', `${this.#host} sends a web page in place of ${this.request.file}`);
    }
    // A server that does not know ranges, or whose file is another one by now, sends all of it.
    let position = response.status === 206 ? had : 0;
    if (position === 0) access.truncate(0);
    const length = Number(response.headers.get('content-length')) || undefined;
    const total = expected ?? (length === undefined ? undefined : position + length);
    const host = new URL(response.url).host;
    const reader = response.body!.getReader();
    let unsaid = 0;
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => this.#failed(cause));
      if (done) break;
      const written = access.write(value, { at: position });
      // On a full disk Chromium counts below zero, and others write less.
      if (written !== value.byteLength) {
        access.truncate(position);
        throw new DownloadError('disk-full', 'there is no storage left');
      }
      position += written;
      unsaid += written;
      if (unsaid < BATCH_BYTES && position !== total) continue;
      unsaid = 0;
      this.onProgress({ file: this.request.file, got: position, total, state: 'loading', host });
    }
  }

  async #check(handle: FileSystemFileHandle, size: number): Promise<void> {
    const { file, bytes, sha256: expected } = this.request;
    const wrong = async (code: 'hash' | 'size', message: string): Promise<never> => {
      await discardPart(file);
      throw new DownloadError(code, message);
    };
    if (bytes !== undefined && size !== bytes) {
      if (size < bytes) throw new DownloadError('network', `${this.#host} stopped after ${size} of ${bytes} bytes`);
      await wrong('size', `${file} has ${size} bytes instead of ${bytes}: it was deleted`);
    }
    if (!expected) return;
    const hash = sha256.create();
    const reader = (await handle.getFile()).stream().getReader();
    let got = 0;
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      hash.update(chunk.value);
      got += chunk.value.byteLength;
      this.onProgress({ file, got, total: size, state: 'checking', host: this.#host });
    }
    const found = bytesToHex(hash.digest());
    if (found !== expected) {
      await wrong('hash', `${file} is not what its publisher says (SHA-256 ${found.slice(0, 12)}…): it was deleted`);
    }
  }

  #failed(cause: unknown): never {
    if (this.#controller.signal.aborted) throw new DownloadError('stopped', 'the download was paused', { cause });
    throw new DownloadError('network', `${this.#host} cannot be reached, or does not let pages read its files`, {
      cause,
    });
  }
}
