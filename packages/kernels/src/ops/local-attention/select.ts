import type { AdapterClass } from '../../device/adapter.js';

/** `subgroup`: operands shared by shuffles. `direct`: every invocation loads them, which a GPU's caches make cheap. */
export type LocalAttentionVariant = 'subgroup' | 'direct';

const SUBGROUP_SIZES = [4, 8, 16];

export function supportedLocalAttentionVariants(adapter: AdapterClass): LocalAttentionVariant[] {
  return SUBGROUP_SIZES.includes(adapter.subgroupSize) ? ['subgroup', 'direct'] : ['direct'];
}

export function selectLocalAttention(adapter: AdapterClass): LocalAttentionVariant {
  return adapter.kind === 'software' && SUBGROUP_SIZES.includes(adapter.subgroupSize) ? 'subgroup' : 'direct';
}
