import type { TunedOp } from '../../tuning/tuned-op.js';
import { type GemmShape, type GemmVariant, selectGemm } from '../gemm/select.js';
import { MATMUL_SOURCES, preciseGemmVariants } from '../gemm/tuning.js';

interface TunedConv2dShape extends GemmShape {
  /** Positions of the kernel. */
  taps: number;
  stride: number;
  dilation: number;
}

export const tunedConv2d: TunedOp<TunedConv2dShape, GemmVariant> = {
  name: 'conv2d',
  sources: MATMUL_SOURCES,
  variants: preciseGemmVariants,
  select: selectGemm,
  work: ({ m, n, k, taps, stride }) => ({
    flops: 2 * m * n * k * taps,
    // With a stride beyond the kernel, pixels between are never read.
    bytes: 4 * (m * Math.min(stride ** 2, taps) * k + taps * k * n + m * n),
  }),
};
