import type { AdapterClass } from '../../device/adapter.js';

/**
 * How similarities are computed and how the best are found.
 * `subgroup`: tokens share what they load by shuffles, and an invocation picks for a token. `workgroup`: every invocation
 * loads for itself, which a GPU's caches make cheap, and 32 invocations pick for a token.
 */
export type LabelPropagationVariant = 'subgroup' | 'workgroup';

const SUBGROUP_SIZES = [4, 8, 16];

export function supportedLabelPropagationVariants(adapter: AdapterClass): LabelPropagationVariant[] {
  return SUBGROUP_SIZES.includes(adapter.subgroupSize) ? ['subgroup', 'workgroup'] : ['workgroup'];
}

export function selectLabelPropagation(adapter: AdapterClass): LabelPropagationVariant {
  return adapter.kind === 'software' && SUBGROUP_SIZES.includes(adapter.subgroupSize) ? 'subgroup' : 'workgroup';
}
