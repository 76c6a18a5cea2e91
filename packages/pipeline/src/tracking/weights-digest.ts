import { type ByteSource, type CheckpointInput, openByteSource } from '@samtrack/models';
import { contentDigest } from '../io/content-digest.js';

/** Of weights in the network less is read: they are fetched once more when the model is loaded. */
const NETWORK_BUDGET = 4 << 20;

/** By what weights are known again: see `contentDigest`. @throws CheckpointError */
export async function weightsDigest(weights: CheckpointInput): Promise<string> {
  const source = await openByteSource(weights);
  try {
    return await sourceDigest(source, weights);
  } finally {
    await source.close();
  }
}

/** The same of weights that are open. @param weights where they come from */
export function sourceDigest(source: ByteSource, weights: CheckpointInput): Promise<string> {
  const content = {
    size: source.size,
    read: (offset: number, length: number) => source.read(offset, Math.min(length, source.size - offset)),
  };
  return contentDigest(content, isUrl(weights) ? NETWORK_BUDGET : undefined);
}

/** Whether weights are fetched from the network. */
export const isUrl = (weights: CheckpointInput): boolean =>
  (typeof weights === 'string' || weights instanceof URL) && /^(?!file:)[a-z][a-z0-9+.-]+:\/\//i.test(String(weights));
