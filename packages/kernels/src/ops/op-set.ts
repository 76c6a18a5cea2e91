import type { Tensor } from '@tensorflow/tfjs-core';
import { conv2d } from './conv2d/index.js';
import { stockConv2d } from './conv2d/stock.js';
import { gemm } from './gemm/index.js';
import { stockGemm } from './gemm/stock.js';
import { groupNorm } from './group-norm/index.js';
import { stockGroupNorm } from './group-norm/stock.js';
import { layerNorm } from './layer-norm/index.js';
import { stockLayerNorm } from './layer-norm/stock.js';

type Twin<F> = F extends (...args: [...infer Head, infer Options]) => Tensor
  ? (...args: [...Head, options?: Omit<NonNullable<Options>, 'variant' | 'into'>]) => Tensor
  : never;

/**
 * The operations that networks are written in. Two sets exist: the kernels of this package, and their unfused twins from
 * stock tfjs operations. A network built on either computes the same function, which is how the kernels are tested at
 * the level of whole models and what their speed is compared with.
 */
export interface OpSet {
  gemm: Twin<typeof gemm>;
  conv2d: Twin<typeof conv2d>;
  layerNorm: Twin<typeof layerNorm>;
  groupNorm: Twin<typeof groupNorm>;
}

/** Hand-written kernels. */
export const fusedOps: OpSet = { gemm, conv2d, layerNorm, groupNorm };

/** The same from stock tfjs operations. */
export const stockOps: OpSet = {
  gemm: stockGemm,
  conv2d: stockConv2d,
  layerNorm: stockLayerNorm,
  groupNorm: stockGroupNorm,
};
