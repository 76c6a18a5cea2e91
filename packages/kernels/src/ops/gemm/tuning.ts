import type { AdapterClass } from '../../device/adapter.js';
import type { TunedOp } from '../../tuning/tuned-op.js';
import activationWgsl from './activation.wgsl';
import bindingsWgsl from './bindings.wgsl';
import broadcastWgsl from './broadcast.wgsl';
import convGeometryWgsl from './conv-geometry.wgsl';
import epilogueWgsl from './epilogue.wgsl';
import epilogueBindingsWgsl from './epilogue-bindings.wgsl';
import operandsWgsl from './operands.wgsl';
import { type GemmShape, type GemmVariant, selectGemm, supportedGemmVariants, VECTOR_TILES } from './select.js';
import splitMergeWgsl from './split-merge.wgsl';
import subgroupMatrixWgsl from './subgroup-matrix.wgsl';
import tiledWgsl from './tiled.wgsl';
import vectorEpilogueWgsl from './vector-epilogue.wgsl';
import vectorLoadAWgsl from './vector-load-a.wgsl';
import vectorOperandsWgsl from './vector-operands.wgsl';
import vectorTiledWgsl from './vector-tiled.wgsl';

/** Everything that matrix products, also those of convolutions, are compiled from. */
export const MATMUL_SOURCES: readonly string[] = [
  activationWgsl,
  bindingsWgsl,
  broadcastWgsl,
  convGeometryWgsl,
  epilogueWgsl,
  epilogueBindingsWgsl,
  operandsWgsl,
  splitMergeWgsl,
  subgroupMatrixWgsl,
  tiledWgsl,
  vectorEpilogueWgsl,
  vectorLoadAWgsl,
  vectorOperandsWgsl,
  vectorTiledWgsl,
  JSON.stringify(VECTOR_TILES),
];

/** What is worth measuring: of the kernels that lose precision only that which the caller asked for, and then only it. */
export function preciseGemmVariants(shape: GemmShape, adapter: AdapterClass): GemmVariant[] {
  const selected = selectGemm(shape, adapter);
  if (selected === 'subgroup-matrix') return [selected];
  return supportedGemmVariants(shape, adapter).filter((variant) => variant !== 'subgroup-matrix');
}

interface TunedGemmShape extends GemmShape {
  batch: number;
  /** Whether B holds float16. */
  half: boolean;
}

export const tunedGemm: TunedOp<TunedGemmShape, GemmVariant> = {
  name: 'gemm',
  sources: MATMUL_SOURCES,
  variants: preciseGemmVariants,
  select: selectGemm,
  work: ({ batch, m, n, k, half }) => ({
    flops: 2 * batch * m * n * k,
    bytes: batch * (4 * m * k + (half ? 2 : 4) * k * n + 4 * m * n),
  }),
};
