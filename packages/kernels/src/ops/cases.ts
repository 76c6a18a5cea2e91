import { cases as attention } from './attention/cases.js';
import { cases as biAttention } from './bi-attention/cases.js';
import { cases as boxRefinement } from './box-refinement/cases.js';
import { cases as broadcastAdd } from './broadcast-add/cases.js';
import type { OpCase } from './case.js';
import { cases as conv2d } from './conv2d/cases.js';
import { cases as copyBlock } from './copy-block/cases.js';
import { cases as deformableAttention } from './deformable-attention/cases.js';
import { cases as depthwiseConv } from './depthwise-conv/cases.js';
import { cases as feedForward } from './feed-forward/cases.js';
import { cases as filterPixels } from './filter-pixels/cases.js';
import { cases as gatherRows } from './gather-rows/cases.js';
import { cases as gemm } from './gemm/cases.js';
import { cases as groupNorm } from './group-norm/cases.js';
import { cases as idEmbedding } from './id-embedding/cases.js';
import { cases as labelArgmax } from './label-argmax/cases.js';
import { cases as labelDecode } from './label-decode/cases.js';
import { cases as labelPropagation } from './label-propagation/cases.js';
import { cases as labelUncertainty } from './label-uncertainty/cases.js';
import { cases as layerNorm } from './layer-norm/cases.js';
import { cases as linearConcat } from './linear-concat/cases.js';
import { cases as localAttention } from './local-attention/cases.js';
import { cases as maskLogits } from './mask-logits/cases.js';
import { cases as maskResample } from './mask-resample/cases.js';
import { cases as maxPool } from './max-pool/cases.js';
import { cases as multiHeadAttention } from './multi-head-attention/cases.js';
import type { OpSet } from './op-set.js';
import { cases as patchMerge } from './patch-merge/cases.js';
import { cases as preprocess } from './preprocess/cases.js';
import { cases as resizeBilinear } from './resize-bilinear/cases.js';
import { cases as sineEmbedding } from './sine-embedding/cases.js';
import { cases as softmax } from './softmax/cases.js';
import { cases as transpose } from './transpose/cases.js';
import { cases as windowAttention } from './window-attention/cases.js';

/** Every case of every operation. */
export const allCases: OpCase<OpSet>[] = [
  ...gemm,
  ...broadcastAdd,
  ...gatherRows,
  ...conv2d,
  ...copyBlock,
  ...layerNorm,
  ...groupNorm,
  ...depthwiseConv,
  ...attention,
  ...idEmbedding,
  ...labelArgmax,
  ...labelDecode,
  ...labelPropagation,
  ...labelUncertainty,
  ...linearConcat,
  ...localAttention,
  ...filterPixels,
  ...preprocess,
  ...softmax,
  ...transpose,
  ...resizeBilinear,
  ...maskLogits,
  ...maskResample,
  ...maxPool,
  ...multiHeadAttention,
  ...patchMerge,
  ...windowAttention,
  ...deformableAttention,
  ...biAttention,
  ...feedForward,
  ...sineEmbedding,
  ...boxRefinement,
];

/** The cases of the size that models use, for benchmarks; the rest are for tests. */
export const benchmarkCases: (OpCase<OpSet> & Required<Pick<OpCase, 'bench'>>)[] = allCases.filter(
  (c): c is OpCase<OpSet> & Required<Pick<OpCase, 'bench'>> => c.bench !== undefined,
);
