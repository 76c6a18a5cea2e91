import { openByteSource } from '@samtrack/models';
import { contentDigest } from '../io/content-digest.js';

/** Of weights in the network less is read: they are fetched once more when the model is loaded. */
const NETWORK_BUDGET = 4 << 20;

/** By what weights are known again: see `contentDigest`. @param location path or URL @throws CheckpointError */
export async function weightsDigest(location: string): Promise<string> {
  const source = await openByteSource(location);
  try {
    const content = {
      size: source.size,
      read: (offset: number, length: number) => source.read(offset, Math.min(length, source.size - offset)),
    };
    return await contentDigest(content, isUrl(location) ? NETWORK_BUDGET : undefined);
  } finally {
    await source.close();
  }
}

/** Whether weights are fetched from the network. */
export const isUrl = (location: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(location);
