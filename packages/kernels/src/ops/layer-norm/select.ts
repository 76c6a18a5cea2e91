import type { AdapterClass } from '../../device/adapter.js';

/** `row`: an invocation a row, no barriers. `workgroup`: a workgroup a row, with a tree reduction. */
export type LayerNormVariant = 'row' | 'workgroup';

/** The kernel to use: a barrier costs a software rasteriser more than reading a whole row. */
export function selectLayerNorm(adapter: AdapterClass): LayerNormVariant {
  return adapter.kind === 'software' ? 'row' : 'workgroup';
}
