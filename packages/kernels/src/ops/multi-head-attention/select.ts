import type { AdapterClass } from '../../device/adapter.js';

/** `direct`: an invocation owns a query of a head and walks over the keys. */
export type MultiHeadAttentionVariant = 'direct';

/** The kernels that can run on an adapter. */
export const supportedMultiHeadAttentionVariants = (_adapter: AdapterClass): MultiHeadAttentionVariant[] => ['direct'];

/** The kernel to use. */
export const selectMultiHeadAttention = (_adapter: AdapterClass): MultiHeadAttentionVariant => 'direct';
