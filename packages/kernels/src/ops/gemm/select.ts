import type { AdapterClass } from '../../device/adapter.js';

/** What the choice of a matrix-product kernel depends on. `k` is the channel count alone for a convolution. */
export interface GemmShape {
  m: number;
  n: number;
  k: number;
  /** Whether every row stride and column offset is a multiple of 4. */
  aligned: boolean;
}

/**
 * `broadcast`: subgroup shuffles, no workgroup memory; the fastest on software rasterisers, slow on GPUs.
 * `tiled-4`, `tiled-8`: workgroup tiles of 64x64 and 128x128.
 * `subgroup-matrix`: matrix units with operands rounded to f16 (sums stay f32), so results are only as precise as that;
 * never selected, always the caller's choice.
 */
export type GemmVariant = 'broadcast' | 'tiled-4' | 'tiled-8' | 'subgroup-matrix';

/** Subgroup sizes that the broadcast kernel is written for. */
const BROADCAST_SUBGROUPS = [4, 8, 16];

/** The kernels that can compute a shape on an adapter. */
export function supportedGemmVariants(shape: GemmShape, adapter: AdapterClass): GemmVariant[] {
  const variants: GemmVariant[] = [];
  const vectorised = shape.aligned && shape.n % 4 === 0 && shape.k % 4 === 0;
  if (vectorised && BROADCAST_SUBGROUPS.includes(adapter.subgroupSize)) variants.push('broadcast');
  if (adapter.maxInvocations >= 256) variants.push('tiled-4');
  if (adapter.maxInvocations >= 256 && adapter.maxWorkgroupBytes >= 16 * (129 + 128) * 4) variants.push('tiled-8');
  const matrixUnits = adapter.subgroupMatrix && adapter.f16 && adapter.subgroupSize > 0;
  if (matrixUnits && adapter.maxInvocations >= 4 * adapter.subgroupSize && adapter.maxWorkgroupBytes >= 12288) {
    variants.push('subgroup-matrix');
  }
  return variants;
}

/** The kernel to use. Large tiles only pay when there are enough of them to fill the machine. */
export function selectGemm(shape: GemmShape, adapter: AdapterClass): GemmVariant {
  const supported = supportedGemmVariants(shape, adapter);
  if (adapter.kind === 'software' && supported.includes('broadcast')) return 'broadcast';
  const largeTiles = Math.ceil(shape.m / 128) * Math.ceil(shape.n / 128);
  return supported.includes('tiled-8') && largeTiles >= 64 ? 'tiled-8' : 'tiled-4';
}
