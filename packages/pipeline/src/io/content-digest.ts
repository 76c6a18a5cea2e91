/** Bytes that can be read at any place: a file, a Blob, memory. */
export interface Content {
  /** Bytes. */
  readonly size: number;
  /** Bytes from `offset` on, fewer at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

const BLOCK = 1 << 20;
/** Content up to this size is read whole. */
const WHOLE = 256 << 20;
/** In how many evenly spaced pieces larger content is read, the first and the last bytes among them. */
const PIECES = 64;

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const sha256 = async (bytes: Uint8Array) =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));

/** SHA-256 of what the pieces hold; of several blocks, that of their own. A piece is an offset and a length. */
async function piecesDigest(content: Content, pieces: Iterable<readonly [number, number]>): Promise<string> {
  const digests: Uint8Array[] = [];
  for (const [begin, length] of pieces) {
    for (let at = begin; at < begin + length || at === 0; at += BLOCK) {
      digests.push(await sha256(await content.read(at, Math.min(BLOCK, begin + length - at))));
    }
  }
  if (digests.length === 1) return hex(digests[0]!);
  const all = new Uint8Array(digests.length * 32);
  for (const [i, digest] of digests.entries()) all.set(digest, 32 * i);
  return hex(await sha256(all));
}

/**
 * By what content is known again, the same in Node and in browsers: its size and a SHA-256.
 *
 * Up to `budget` bytes (256 MiB) everything counts: any change is seen. Of more, 64 evenly spaced pieces are read, `budget` bytes in all: a change that keeps
 * the size to the byte and lies between the pieces is not seen. An encoded video keeps neither when a picture in it changes.
 * @returns `<bytes>:<hex>`, or `<bytes>~<hex>` of pieces
 */
export async function contentDigest(content: Content, budget = WHOLE): Promise<string> {
  const { size } = content;
  if (size <= budget) return `${size}:${await piecesDigest(content, [[0, size]])}`;
  const count = budget >= PIECES * BLOCK ? PIECES : 2;
  const length = Math.floor(budget / count);
  const pieces = Array.from({ length: count }, (_, i) => {
    return [Math.floor(((size - length) * i) / (count - 1)), length] as const;
  });
  return `${size}~${await piecesDigest(content, pieces)}`;
}

/** `contentDigest` of bytes in memory. */
export const bytesDigest = (bytes: Uint8Array): Promise<string> =>
  contentDigest({ size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) });

/** `contentDigest` of a Blob. */
export const blobDigest = (blob: Blob, budget?: number): Promise<string> =>
  contentDigest(
    {
      size: blob.size,
      read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
    },
    budget,
  );

/** One digest of many: of named files in their order. */
export async function listDigest(parts: readonly { name: string; digest: string }[]): Promise<string> {
  const text = parts.map(({ name, digest }) => `${JSON.stringify(name)} ${digest}\n`).join('');
  return bytesDigest(new TextEncoder().encode(text));
}

/** Least bytes of a file that count where many files share the budget. */
const LEAST = 16 << 10;

/** What of each of `count` files is read for `listDigest`, so that all of them together stay near the budget of one. */
export const shareOfBudget = (count: number): number => Math.max(LEAST, Math.floor(WHOLE / Math.max(1, count)));
