import type { AdapterClass } from '../../device/adapter.js';

/** `subgroup`: one subgroup a row, no barriers. `workgroup`: 128 invocations a row and a tree in workgroup memory. */
export type SoftmaxVariant = 'subgroup' | 'workgroup';

export function supportedSoftmaxVariants(adapter: AdapterClass): SoftmaxVariant[] {
  return adapter.subgroupSize > 0 ? ['subgroup', 'workgroup'] : ['workgroup'];
}

/** Barriers are what costs on a software adapter; a GPU wants more invocations a row than a subgroup has. */
export function selectSoftmax(adapter: AdapterClass): SoftmaxVariant {
  return adapter.kind === 'software' && adapter.subgroupSize > 0 ? 'subgroup' : 'workgroup';
}
