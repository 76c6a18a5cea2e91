import type { AdapterClass } from '../../device/adapter.js';

/**
 * `direct`: an invocation owns a query of a head and walks over the keys.
 * `broadcast`: a subgroup owns up to 32 queries and takes the keys in tiles, two matrix products in registers.
 */
export type MultiHeadAttentionVariant = 'direct' | 'broadcast';

/** Subgroup sizes that the broadcast kernel is written for. */
const BROADCAST_SUBGROUPS = [4, 8, 16];

/** The kernels that can run on an adapter. */
export const supportedMultiHeadAttentionVariants = (adapter: AdapterClass): MultiHeadAttentionVariant[] =>
  BROADCAST_SUBGROUPS.includes(adapter.subgroupSize) ? ['direct', 'broadcast'] : ['direct'];

/** The kernel to use. */
export function selectMultiHeadAttention(adapter: AdapterClass): MultiHeadAttentionVariant {
  const broadcasts = supportedMultiHeadAttentionVariants(adapter).includes('broadcast');
  return adapter.kind === 'software' && broadcasts ? 'broadcast' : 'direct';
}
