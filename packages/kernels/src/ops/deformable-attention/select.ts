import type { AdapterClass } from '../../device/adapter.js';

/**
 * `channel`: an invocation for 4 channels of a head of a query, so that neighbours read neighbouring addresses.
 * `head`: an invocation for a head of a query, which computes where the points lie once for all its channels.
 */
export type DeformableAttentionVariant = 'channel' | 'head';

/** The kernel to use: a GPU joins neighbouring loads; a software rasteriser pays for each, and for the arithmetic. */
export function selectDeformableAttention(adapter: AdapterClass): DeformableAttentionVariant {
  return adapter.kind === 'software' ? 'head' : 'channel';
}
