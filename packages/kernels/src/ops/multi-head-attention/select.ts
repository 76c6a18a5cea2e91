import type { AdapterClass } from '../../device/adapter.js';
import { supportsBroadcast, supportsTiles } from '../../families/attention/index.js';

/**
 * `direct`: an invocation owns a query of a head and walks over the keys.
 * `broadcast`: a subgroup owns up to 32 queries and takes the keys in tiles, two matrix products in registers.
 * `tiled`: a workgroup owns 64 queries and takes the keys in tiles out of workgroup memory.
 * `keys-in-registers`: a subgroup holds all keys in its lanes. `split-keys`: an invocation owns a query and a part of the keys, and the parts
 * are merged. Neither knows masks or relative terms.
 */
export type MultiHeadAttentionVariant = 'direct' | 'broadcast' | 'tiled' | 'keys-in-registers' | 'split-keys';

/** What the choice of a kernel depends on. */
export interface MultiHeadAttentionShape {
  batch: number;
  heads: number;
  queries: number;
  keys: number;
  headSize: number;
  /** Whether there is one. */
  mask: boolean;
  relative: boolean;
}

/** Queries below which the tiled kernel's 64 are mostly wasted. */
const MIN_TILED_QUERIES = 32;

/** Largest head of the kernels for few queries or keys: what they hold in registers grows with it. */
const MAX_FEW_HEAD = 32;

/** Keys that a lane of the keys-in-registers kernel holds at most. */
const MAX_HELD_KEYS = 3;

/** Keys from which the kernel that splits them is worth its second launch. */
const MIN_SPLIT_KEYS = 256;

/** The kernels that can run on an adapter. */
export function supportedMultiHeadAttention(
  { keys, headSize, mask, relative }: MultiHeadAttentionShape,
  adapter: AdapterClass,
): MultiHeadAttentionVariant[] {
  const variants: MultiHeadAttentionVariant[] = ['direct'];
  if (supportsBroadcast(adapter)) variants.push('broadcast');
  if (supportsTiles(adapter, headSize)) variants.push('tiled');
  if (mask || relative || headSize > MAX_FEW_HEAD) return variants;
  if (supportsBroadcast(adapter) && keys <= MAX_HELD_KEYS * adapter.subgroupSize) variants.push('keys-in-registers');
  variants.push('split-keys');
  return variants;
}

/** The kernel to use. The tiles of both others are wasted on a handful of queries, or of keys of a small head. */
export function selectMultiHeadAttention(
  shape: MultiHeadAttentionShape,
  adapter: AdapterClass,
): MultiHeadAttentionVariant {
  const { queries, keys, headSize } = shape;
  const supported = supportedMultiHeadAttention(shape, adapter);
  if (adapter.kind !== 'software') {
    if (supported.includes('split-keys') && queries < MIN_TILED_QUERIES && keys >= MIN_SPLIT_KEYS) return 'split-keys';
    return supported.includes('tiled') && queries >= MIN_TILED_QUERIES && keys >= 16 ? 'tiled' : 'direct';
  }
  if (supported.includes('keys-in-registers') && queries >= 64) return 'keys-in-registers';
  const small = headSize <= 32 && Math.min(queries, keys) < 16;
  return supported.includes('broadcast') && !small ? 'broadcast' : 'direct';
}

/**
 * Queries that a subgroup of the broadcast kernel owns. More of them use each load of a key more often, but take a software
 * rasteriser three times as long to compile: only worth it where there is much to do.
 */
export const broadcastQueries = (queries: number, keys: number): number =>
  queries * keys >= 2 ** 20 ? 32 : queries > 8 ? 16 : 8;
