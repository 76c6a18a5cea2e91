import type { AdapterClass } from '../../device/adapter.js';

/** The part of a grid of keys that is taken at a time. */
interface GridTile {
  slotWidth: number;
  slotHeight: number;
}

/** A tile of so many keys: a power of two of columns, enough for a narrow grid, and as many rows as there is room for. */
export function gridTile(gridWidth: number, slots: number): GridTile {
  let slotWidth = 4;
  while (slotWidth < Math.min(gridWidth, slots)) slotWidth *= 2;
  return { slotWidth, slotHeight: slots / slotWidth };
}

/** Subgroup sizes that the kernels which read rows of a subgroup's lanes are written for. */
const BROADCAST_SUBGROUPS = [4, 8, 16];

/** Largest head that the tiled kernel is written for. */
const MAX_TILED_HEAD = 128;

/** Invocations of the `tiled` kernel. */
const TILED_INVOCATIONS = 256;

/** Tiles of the `tiled` kernel. */
interface AttentionTile {
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
