import { type FileHandle, open } from 'node:fs/promises';
import { type Content, contentDigest } from '../content-digest.js';

/** What an open file holds. */
export async function contentOf(handle: FileHandle): Promise<Content> {
  const { size } = await handle.stat();
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      let done = 0;
      while (done < bytes.length) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    },
  };
}

/** `contentDigest` of a file. */
export async function digestOfFile(path: string, budget?: number): Promise<string> {
  const handle = await open(path);
  try {
    return await contentDigest(await contentOf(handle), budget);
  } finally {
    await handle.close();
  }
}
