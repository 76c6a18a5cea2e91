import type { AdapterClass } from '../../device/adapter.js';

/** `direct`: each invocation loads every key. `shuffle`: a subgroup loads as many keys as it has lanes and passes them on. */
export type WindowAttentionVariant = 'direct' | 'shuffle';

/** The kernels that can run on an adapter. */
export const supportedWindowAttentionVariants = ({ subgroupSize }: AdapterClass): WindowAttentionVariant[] =>
  subgroupSize > 0 && 64 % subgroupSize === 0 ? ['direct', 'shuffle'] : ['direct'];

/**
 * The kernel to use. A GPU serves loads of the same address by a whole subgroup at the price of one; a software
 * rasteriser pays for each lane, and little for a shuffle.
 */
export function selectWindowAttention(adapter: AdapterClass): WindowAttentionVariant {
  const shuffles = supportedWindowAttentionVariants(adapter).includes('shuffle');
  return adapter.kind === 'software' && shuffles ? 'shuffle' : 'direct';
}
