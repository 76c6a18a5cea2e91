import type { Portable, Signature } from '../op/signature.js';
import { gatedAttention } from './attention/index.js';
import { stockGatedAttention } from './attention/stock.js';
import { biAttention } from './bi-attention/index.js';
import { stockBiAttention } from './bi-attention/stock.js';
import { refineBoxes } from './box-refinement/index.js';
import { stockRefineBoxes } from './box-refinement/stock.js';
import { broadcastAdd } from './broadcast-add/index.js';
import { stockBroadcastAdd } from './broadcast-add/stock.js';
import { conv2d } from './conv2d/index.js';
import { stockConv2d } from './conv2d/stock.js';
import { concatColumns, type copyBlock } from './copy-block/index.js';
import { stockConcatColumns } from './copy-block/stock.js';
import { deformableAttention } from './deformable-attention/index.js';
import { stockDeformableAttention } from './deformable-attention/stock.js';
import { depthwiseConv } from './depthwise-conv/index.js';
import { stockDepthwiseConv } from './depthwise-conv/stock.js';
import { feedForward } from './feed-forward/index.js';
import { stockFeedForward } from './feed-forward/stock.js';
import type { filterPixels } from './filter-pixels/index.js';
import { gatherRows } from './gather-rows/index.js';
import { stockGatherRows } from './gather-rows/stock.js';
import { gemm } from './gemm/index.js';
import { stockGemm } from './gemm/stock.js';
import { groupNorm } from './group-norm/index.js';
import { stockGroupNorm } from './group-norm/stock.js';
import { idEmbedding } from './id-embedding/index.js';
import { stockIdEmbedding } from './id-embedding/stock.js';
import type { labelArgmax } from './label-argmax/index.js';
import type { labelDecode } from './label-decode/index.js';
import type { labelPropagation } from './label-propagation/index.js';
import type { labelUncertainty } from './label-uncertainty/index.js';
import { layerNorm } from './layer-norm/index.js';
import { stockLayerNorm } from './layer-norm/stock.js';
import { linearConcat } from './linear-concat/index.js';
import { stockLinearConcat } from './linear-concat/stock.js';
import { localGatedAttention } from './local-attention/index.js';
import { stockLocalGatedAttention } from './local-attention/stock.js';
import { maskLogits } from './mask-logits/index.js';
import { stockMaskLogits } from './mask-logits/stock.js';
import type { maskBits, maskStatistics, maskValues } from './mask-resample/index.js';
import { maxPool } from './max-pool/index.js';
import { stockMaxPool } from './max-pool/stock.js';
import { multiHeadAttention } from './multi-head-attention/index.js';
import { stockMultiHeadAttention } from './multi-head-attention/stock.js';
import { patchMerge } from './patch-merge/index.js';
import { stockPatchMerge } from './patch-merge/stock.js';
import type { preprocess } from './preprocess/index.js';
import { resizeBilinear } from './resize-bilinear/index.js';
import { stockResizeBilinear } from './resize-bilinear/stock.js';
import { boxSineEmbedding } from './sine-embedding/index.js';
import { stockBoxSineEmbedding } from './sine-embedding/stock.js';
import { transpose } from './transpose/index.js';
import { stockTranspose } from './transpose/stock.js';
import { relativeWindowAttention, windowAttention } from './window-attention/index.js';
import { stockRelativeWindowAttention } from './window-attention/relative-stock.js';
import { stockWindowAttention } from './window-attention/stock.js';

/**
 * The operations that networks are written in. Two sets exist: the kernels of this package, and their unfused twins from
 * stock tfjs operations. A network built on either computes the same function, which is how the kernels are tested at
 * the level of whole models and what their speed is compared with.
 */
export interface OpSet {
  gemm: Portable<typeof gemm>;
  conv2d: Portable<typeof conv2d>;
  layerNorm: Portable<typeof layerNorm>;
  groupNorm: Portable<typeof groupNorm>;
  depthwiseConv: Portable<typeof depthwiseConv>;
  linearConcat: Signature<typeof linearConcat>;
  gatedAttention: Portable<typeof gatedAttention>;
  localGatedAttention: Portable<typeof localGatedAttention>;
  idEmbedding: Signature<typeof idEmbedding>;
  concatColumns: Signature<typeof concatColumns>;
  transpose: Portable<typeof transpose>;
  resizeBilinear: Portable<typeof resizeBilinear>;
  maxPool: Portable<typeof maxPool>;
  broadcastAdd: Signature<typeof broadcastAdd>;
  gatherRows: Signature<typeof gatherRows>;
  maskLogits: Signature<typeof maskLogits>;
  multiHeadAttention: Portable<typeof multiHeadAttention>;
  patchMerge: Signature<typeof patchMerge>;
  relativeWindowAttention: Portable<typeof relativeWindowAttention>;
  windowAttention: Portable<typeof windowAttention>;
  deformableAttention: Portable<typeof deformableAttention>;
  biAttention: Portable<typeof biAttention>;
  feedForward: Signature<typeof feedForward>;
  boxSineEmbedding: Signature<typeof boxSineEmbedding>;
  refineBoxes: Signature<typeof refineBoxes>;
}

/** Hand-written kernels. */
export const fusedOps: OpSet = {
  gemm,
  conv2d,
  layerNorm,
  groupNorm,
  depthwiseConv,
  linearConcat,
  gatedAttention,
  localGatedAttention,
  idEmbedding,
  concatColumns,
  transpose,
  resizeBilinear,
  maxPool,
  broadcastAdd,
  gatherRows,
  maskLogits,
  multiHeadAttention,
  patchMerge,
  relativeWindowAttention,
  windowAttention,
  deformableAttention,
  biAttention,
  feedForward,
  boxSineEmbedding,
  refineBoxes,
};

/** What happens around networks: pixels become inputs, logits become labels and masks, memories are written. */
export interface FrameOps {
  preprocess: Signature<typeof preprocess>;
  filterPixels: Signature<typeof filterPixels>;
  labelDecode: Signature<typeof labelDecode>;
  labelUncertainty: Signature<typeof labelUncertainty>;
  labelArgmax: Signature<typeof labelArgmax>;
  labelPropagation: Signature<typeof labelPropagation>;
  maskStatistics: Signature<typeof maskStatistics>;
  maskBits: Signature<typeof maskBits>;
  maskValues: Signature<typeof maskValues>;
  copyBlock: Signature<typeof copyBlock>;
  /** Also `into` an existing tensor. */
  transpose: Signature<typeof transpose>;
}

/** The networks' operations from stock tfjs operations. */
export const stockOps: OpSet = {
  gemm: stockGemm,
  conv2d: stockConv2d,
  layerNorm: stockLayerNorm,
  groupNorm: stockGroupNorm,
  depthwiseConv: stockDepthwiseConv,
  linearConcat: stockLinearConcat,
  gatedAttention: stockGatedAttention,
  localGatedAttention: stockLocalGatedAttention,
  idEmbedding: stockIdEmbedding,
  concatColumns: stockConcatColumns,
  transpose: stockTranspose,
  resizeBilinear: stockResizeBilinear,
  maxPool: stockMaxPool,
  broadcastAdd: stockBroadcastAdd,
  gatherRows: stockGatherRows,
  maskLogits: stockMaskLogits,
  multiHeadAttention: stockMultiHeadAttention,
  patchMerge: stockPatchMerge,
  relativeWindowAttention: stockRelativeWindowAttention,
  windowAttention: stockWindowAttention,
  deformableAttention: stockDeformableAttention,
  biAttention: stockBiAttention,
  feedForward: stockFeedForward,
  boxSineEmbedding: stockBoxSineEmbedding,
  refineBoxes: stockRefineBoxes,
};
