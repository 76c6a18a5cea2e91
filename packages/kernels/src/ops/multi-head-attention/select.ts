import type { AdapterClass } from '../../device/adapter.js';

/**
 * `direct`: an invocation owns a query of a head and walks over the keys.
 * `broadcast`: a subgroup owns up to 32 queries and takes the keys in tiles, two matrix products in registers.
 */
export type MultiHeadAttentionVariant = 'direct' | 'broadcast';

/** What the choice of a kernel depends on. */
export interface MultiHeadAttentionSize {
  queries: number;
  keys: number;
  headSize: number;
}

/** Subgroup sizes that the broadcast kernel is written for. */
const BROADCAST_SUBGROUPS = [4, 8, 16];

/** The kernels that can run on an adapter. */
export const supportedMultiHeadAttentionVariants = (adapter: AdapterClass): MultiHeadAttentionVariant[] =>
  BROADCAST_SUBGROUPS.includes(adapter.subgroupSize) ? ['direct', 'broadcast'] : ['direct'];

/** The kernel to use. The tiles of the broadcast kernel are wasted on a handful of queries or keys of a small head. */
export function selectMultiHeadAttention(
  { queries, keys, headSize }: MultiHeadAttentionSize,
  adapter: AdapterClass,
): MultiHeadAttentionVariant {
  const broadcasts = supportedMultiHeadAttentionVariants(adapter).includes('broadcast');
  const small = headSize <= 32 && Math.min(queries, keys) < 16;
  return adapter.kind === 'software' && broadcasts && !small ? 'broadcast' : 'direct';
}

/**
 * Queries that a subgroup of the broadcast kernel owns. More of them use each load of a key more often, but take a software
 * rasteriser three times as long to compile: only worth it where there is much to do.
 */
export const broadcastQueries = (queries: number, keys: number): number =>
  queries * keys >= 2 ** 20 ? 32 : queries > 8 ? 16 : 8;
