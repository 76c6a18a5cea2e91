import type { AdapterClass } from '../../device/adapter.js';

/** What the choice of a matrix-product kernel depends on. `k` is the channel count alone for a convolution. */
export interface MatmulShape {
  m: number;
  n: number;
  k: number;
  /** Positions of a convolution's kernel; 1 by default. */
  taps?: number;
  batch?: number;
  /** Whether every row stride and column offset is a multiple of 4. */
  aligned: boolean;
}

/**
 * `broadcast`: subgroup shuffles, no workgroup memory; the fastest on software rasterisers, slow on GPUs.
 * `vector-64x128`, `vector-32x64`, `vector-32x32`: workgroup tiles of as many outputs, read as vectors of 4.
 * `split-k`: the largest of these tiles, each computed by several workgroups that share the inner dimension; a second
 * kernel adds up their parts. For products with few outputs and many inner steps.
 * `tiled`: workgroup tiles of 64x64, read one by one; for shapes that are no multiples of 4.
 * `subgroup-matrix`: matrix units with operands rounded to f16 (sums stay f32), so results are only as precise as that.
 * Only where the caller or `initialize({ matrixUnits })` asks for it.
 */
export type MatmulVariant = 'broadcast' | VectorTiled | 'split-k' | 'tiled' | 'subgroup-matrix';
export type VectorTiled = 'vector-64x128' | 'vector-32x64' | 'vector-32x32';

/** Shape of a tiled kernel: WX x WY invocations of TM x TN outputs each, TK inner steps at a time. */
export interface VectorTile {
  readonly WX: number;
  readonly WY: number;
  readonly TM: number;
  readonly TN: number;
  readonly TK: number;
}

/** The fastest of 26 on an H100: 36 TFLOP/s with many tiles; 23 and 10 where only smaller ones fill the machine. */
export const VECTOR_TILES: Readonly<Record<VectorTiled, VectorTile>> = {
  'vector-64x128': { WX: 16, WY: 8, TM: 8, TN: 8, TK: 16 },
  'vector-32x64': { WX: 16, WY: 8, TM: 4, TN: 4, TK: 32 },
  'vector-32x32': { WX: 8, WY: 8, TM: 4, TN: 4, TK: 32 },
};

const isVectorTiled = (variant: MatmulVariant): variant is VectorTiled => variant in VECTOR_TILES;

/** The tile of a kernel that reads vectors of 4 into tiles. */
export const vectorTile = (variant: MatmulVariant): VectorTile | undefined =>
  variant === 'split-k' ? VECTOR_TILES[SPLIT_TILE] : isVectorTiled(variant) ? VECTOR_TILES[variant] : undefined;

/** Outputs of a workgroup. */
export const tileSize = ({ WX, WY, TM, TN }: VectorTile): { rows: number; columns: number } => ({
  rows: WY * TM,
  columns: WX * TN,
});

/** Workgroups that keep a large GPU busy: with fewer, smaller tiles win. Measured on an H100 with 132 multiprocessors. */
const ENOUGH_WORKGROUPS = 128;

/** The tile of `split-k`. */
export const SPLIT_TILE: VectorTiled = 'vector-64x128';

/** Workgroups that `split-k` aims at, parts of the inner dimension at most, and inner steps of a part at least. */
const SPLIT_WORKGROUPS = 384;
const MAX_PARTS = 8;
const MIN_PART = 128;

/** Parts that `split-k` cuts the inner dimension into; 1 where that is of no use or does not fit into a binding. */
export function splitParts(
  { m, n, k, taps = 1, batch = 1 }: Omit<MatmulShape, 'aligned'>,
  { maxBindingBytes }: AdapterClass,
): number {
  const parts = Math.min(
    MAX_PARTS,
    Math.ceil(SPLIT_WORKGROUPS / (batch * countTiles(m, n, SPLIT_TILE))),
    Math.floor((k * taps) / MIN_PART),
    Math.floor(maxBindingBytes / (4 * batch * m * n)),
  );
  return Math.max(1, parts);
}

function countTiles(m: number, n: number, variant: VectorTiled): number {
  const { rows, columns } = tileSize(VECTOR_TILES[variant]);
  return Math.ceil(m / rows) * Math.ceil(n / columns);
}

/** Inner steps from which a second launch and the memory for the parts pay, where whole tiles are too few. */
const MIN_SPLIT_STEPS = 1024;

/** Workgroup memory of the tiles of `subgroup-matrix`. */
const MATRIX_UNIT_BYTES = 13824;

/** Rows, columns and inner steps below which the tiles of the matrix units, 64 x 64, are mostly wasted. */
const MIN_MATRIX_SIDE = 48;

/** Subgroup sizes that the broadcast kernel is written for. */
const BROADCAST_SUBGROUPS = [4, 8, 16];

/** The kernels that can compute a shape on an adapter. */
export function supportedMatmul(shape: MatmulShape, adapter: AdapterClass): MatmulVariant[] {
  const variants: MatmulVariant[] = [];
  const vectorised = shape.aligned && shape.n % 4 === 0 && shape.k % 4 === 0;
  if (vectorised && BROADCAST_SUBGROUPS.includes(adapter.subgroupSize)) variants.push('broadcast');
  if (vectorised && adapter.maxInvocations >= 128) {
    variants.push(...(Object.keys(VECTOR_TILES) as VectorTiled[]));
    if (splitParts(shape, adapter) > 1) variants.push('split-k');
  }
  if (adapter.maxInvocations >= 256) variants.push('tiled');
  const matrixUnits = adapter.subgroupMatrix && adapter.f16 && [16, 32, 64].includes(adapter.subgroupSize);
  if (
    vectorised &&
    matrixUnits &&
    adapter.maxInvocations >= 4 * adapter.subgroupSize &&
    adapter.maxWorkgroupBytes >= MATRIX_UNIT_BYTES
  ) {
    variants.push('subgroup-matrix');
  }
  return variants;
}

/** The kernel to use: of the tiled ones that with the largest tiles that still fill the machine, whole or in parts. */
export function selectMatmul(shape: MatmulShape, adapter: AdapterClass): MatmulVariant {
  const { m, n, k, taps = 1, batch = 1 } = shape;
  const supported = supportedMatmul(shape, adapter);
  if (adapter.kind === 'software' && supported.includes('broadcast')) return 'broadcast';
  const large = Math.min(m, n, k * taps) >= MIN_MATRIX_SIDE;
  if (adapter.matrixUnits && large && supported.includes('subgroup-matrix')) return 'subgroup-matrix';
  const fills = (variant: VectorTiled) => batch * countTiles(m, n, variant) >= ENOUGH_WORKGROUPS;
  const tiled = supported.filter(isVectorTiled);
  if (!fills(SPLIT_TILE) && k * taps >= MIN_SPLIT_STEPS && supported.includes('split-k')) return 'split-k';
  return tiled.find(fills) ?? tiled.at(-1) ?? 'tiled';
}
