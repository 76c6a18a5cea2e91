import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with bytes hashed so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** SHA-256 of a file, lower-case hex. */
export async function hashFile(path: string, options: HashOptions = {}): Promise<string> {
  const hash = createHash('sha256');
  await updateFromFile(hash, path, options);
  return hash.digest('hex');
}

/** Feeds a file to a hash. */
export async function updateFromFile(
  hash: Hash,
  path: string,
  { signal, onProgress }: HashOptions = {},
): Promise<void> {
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
    onProgress?.(bytes);
  }
}
