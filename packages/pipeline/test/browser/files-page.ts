/** Files by URL in a page: bundled for the browser and run by `files.test.ts`. */
import { openByteSource } from '@samtrack/models/checkpoint';
import { openSource, readMask } from '../../src/io/index.js';

const PIECE_BYTES = 1 << 14;

/** What the page reports. */
export interface FilesResult {
  /** Bytes that were taken from the server for the first, the second, and a third opening without network. */
  taken: number[];
  /** Whether each of them gave the same bytes. */
  same: boolean;
  /** Name of the error without network where nothing is to be kept. */
  uncached: string;
  /** Names of caches in the origin. */
  caches: string[];
  /** Kind and size of what a URL was opened as, and the ids of a mask by URL. */
  source: [kind: string, width: number, height: number];
  ids: number[];
  /** Codes of the errors of a path, and of something else. */
  refused: string[];
}

async function openFiles({ weights, picture }: { weights: string; picture: string }): Promise<FilesResult> {
  const original = globalThis.fetch;
  let bytes = 0;
  globalThis.fetch = async (...request) => {
    const { body, status, headers } = await original(...request);
    const reader = body!.getReader();
    let rest = new Uint8Array(0);
    // In pieces, when they are asked for: what a busy browser has buffered beside them is not counted.
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      if (rest.byteLength === 0) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        rest = value;
      }
      const piece = rest.subarray(0, PIECE_BYTES);
      rest = rest.subarray(PIECE_BYTES);
      bytes += piece.byteLength;
      controller.enqueue(piece);
    };
    const counted = new ReadableStream({ pull, cancel: (reason) => reader.cancel(reason) }, { highWaterMark: 0 });
    return new Response(counted, { status, headers });
  };
  const taken: number[] = [];
  const digests: string[] = [];
  const load = async () => {
    bytes = 0;
    const source = await openByteSource(weights, { cache: true });
    const whole = (await source.read(0, source.size)) as Uint8Array<ArrayBuffer>;
    digests.push(String(new Uint8Array(await crypto.subtle.digest('SHA-256', whole))));
    await source.close();
    taken.push(bytes);
  };
  await load();
  await load();
  globalThis.fetch = () => Promise.reject(new TypeError('no network'));
  await load();
  const uncached = await openByteSource(weights, { cache: false }).then(
    () => 'none',
    (error: Error) => error.name,
  );
  globalThis.fetch = original;

  const source = await openSource(new URL(picture));
  const { data } = await readMask(new URL(picture));
  const code = (error: { code?: string }) => String(error.code);
  return {
    taken,
    same: new Set(digests).size === 1,
    uncached,
    caches: await caches.keys(),
    source: [source.kind, source.width, source.height],
    ids: [...new Set(data)],
    refused: [
      await openSource('clip.mp4').then(() => 'none', code),
      await openSource(5 as unknown as string).then(() => 'none', code),
    ],
  };
}

Object.assign(globalThis, { openFiles });
