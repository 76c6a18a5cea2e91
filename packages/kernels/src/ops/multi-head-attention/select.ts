import type { AdapterClass } from '../../device/adapter.js';

/**
 * `direct`: an invocation owns a query of a head and walks over the keys.
 * `broadcast`: a subgroup owns up to 32 queries and takes the keys in tiles, two matrix products in registers.
 * `tiled`: a workgroup owns 64 queries and takes the keys in tiles out of workgroup memory.
 * `few-keys`: a subgroup holds all keys in its lanes. `split`: an invocation owns a query and a part of the keys, and the parts
 * are merged. Neither knows masks or relative terms.
 */
export type MultiHeadAttentionVariant = 'direct' | 'broadcast' | 'tiled' | 'few-keys' | 'split';

/** What the choice of a kernel depends on. */
export interface MultiHeadAttentionSize {
  queries: number;
  keys: number;
  headSize: number;
  /** Without mask and relative terms. */
  plain: boolean;
}

/** Subgroup sizes that the broadcast kernel is written for. */
const BROADCAST_SUBGROUPS = [4, 8, 16];

/** Largest head that the tiled kernel is written for. */
const MAX_TILED_HEAD = 128;

/** Queries below which the tiled kernel's 64 are mostly wasted. */
const MIN_TILED_QUERIES = 32;

/** Largest head of the kernels for few queries or keys: what they hold in registers grows with it. */
const MAX_FEW_HEAD = 32;

/** Keys that a lane of the few-keys kernel holds at most. */
const MAX_HELD_KEYS = 3;

/** Keys from which the kernel that splits them is worth its second launch. */
const MIN_SPLIT_KEYS = 256;

/** Invocations of the `tiled` kernel. */
const TILED_INVOCATIONS = 256;

/** Tiles of the `tiled` kernel. */
export interface AttentionTile {
  /** Keys that an invocation scores, of the 16 in a row. */
  readonly keys: 2 | 4;
  /** Distance of keys in workgroup memory, in vectors of 4. */
  readonly stride: number;
  /** Whether their vectors are exchanged so that rows lie in different banks. */
  readonly swizzle: boolean;
  /** Whether the queries are held in workgroup memory too. */
  readonly holdQueries: boolean;
  /** Vectors of the tile of keys, which holds the weights of the values later. */
  readonly keyVectors: number;
}

/** The largest tile that fits into workgroup memory. */
export function attentionTile(headSize: number, maxWorkgroupBytes: number): AttentionTile | undefined {
  if (headSize > MAX_TILED_HEAD) return undefined;
  const head4 = headSize / 4;
  const swizzle = head4 % 8 === 0;
  const stride = swizzle ? head4 : head4 + 1 - (head4 % 2);
  for (const keys of [4, 2] as const) {
    const keyVectors = Math.max(16 * keys * stride, 64 * 4 * keys);
    const vectors = keyVectors + 16 * keys * head4;
    for (const holdQueries of [true, false]) {
      const bytes = 16 * (vectors + (holdQueries ? 64 * head4 : 0));
      if (bytes <= maxWorkgroupBytes) return { keys, stride, swizzle, holdQueries, keyVectors };
    }
  }
  return undefined;
}

/** Whether the kernels that read rows of a subgroup's lanes are written for an adapter. */
export const supportsBroadcast = ({ subgroupSize }: AdapterClass): boolean =>
  BROADCAST_SUBGROUPS.includes(subgroupSize);

/** Whether the kernel that takes keys in tiles out of workgroup memory can run. Sixteen neighbours have to be of one subgroup. */
export const supportsTiles = (adapter: AdapterClass, headSize: number): boolean =>
  adapter.subgroupSize >= 16 &&
  adapter.maxInvocations >= TILED_INVOCATIONS &&
  attentionTile(headSize, adapter.maxWorkgroupBytes) !== undefined;

/** The kernels that can run on an adapter. */
export function supportedMultiHeadAttentionVariants(
  adapter: AdapterClass,
  { keys, headSize, plain }: MultiHeadAttentionSize,
): MultiHeadAttentionVariant[] {
  const variants: MultiHeadAttentionVariant[] = ['direct'];
  if (supportsBroadcast(adapter)) variants.push('broadcast');
  if (supportsTiles(adapter, headSize)) variants.push('tiled');
  if (!plain || headSize > MAX_FEW_HEAD) return variants;
  if (supportsBroadcast(adapter) && keys <= MAX_HELD_KEYS * adapter.subgroupSize) variants.push('few-keys');
  variants.push('split');
  return variants;
}

/** The kernel to use. The tiles of both others are wasted on a handful of queries, or of keys of a small head. */
export function selectMultiHeadAttention(
  size: MultiHeadAttentionSize,
  adapter: AdapterClass,
): MultiHeadAttentionVariant {
  const { queries, keys, headSize } = size;
  const supported = supportedMultiHeadAttentionVariants(adapter, size);
  if (adapter.kind !== 'software') {
    if (supported.includes('split') && queries < MIN_TILED_QUERIES && keys >= MIN_SPLIT_KEYS) return 'split';
    return supported.includes('tiled') && queries >= MIN_TILED_QUERIES && keys >= 16 ? 'tiled' : 'direct';
  }
  if (supported.includes('few-keys') && queries >= 64) return 'few-keys';
  const small = headSize <= 32 && Math.min(queries, keys) < 16;
  return supported.includes('broadcast') && !small ? 'broadcast' : 'direct';
}

/**
 * Queries that a subgroup of the broadcast kernel owns. More of them use each load of a key more often, but take a software
 * rasteriser three times as long to compile: only worth it where there is much to do.
 */
export const broadcastQueries = (queries: number, keys: number): number =>
  queries * keys >= 2 ** 20 ? 32 : queries > 8 ? 16 : 8;
