import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime, type Runtime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { copyBlock } from '../copy-block/index.js';
import { gemm, selectGemm } from '../gemm/index.js';
import { launchMatmul } from '../gemm/matmul-program.js';
import { ShapeError } from '../shape-error.js';
import columnsWgsl from './columns.wgsl';
import mergeWgsl from './merge.wgsl';
import rowsWgsl from './rows.wgsl';
import { type BiAttentionVariant, planBiAttention } from './select.js';
import { tunedBiAttention } from './tuning.js';

export { type BiAttentionVariant, planBiAttention, selectBiAttention } from './select.js';

/** Operands of `biAttention`, for S image tokens, L text tokens and 4 heads. */
export interface BiAttentionInput {
  /** float32 [S, C]: queries of the image, and values for the text. C a multiple of 4. */
  image: Tensor;
  /** What turns an image token into its scores, float32 [C, 4 L]; column `4 token + head`. */
  keys: Tensor;
  /** Added to the scores, float32 [4 L]. At most 1e30 in size: what is -1e30 there counts for nothing. */
  keyBias: Tensor;
  /** Values of the text for the image, float32 [4 L, D]; row `4 token + head`. D a multiple of 4. */
  values: Tensor;
  /** Added to the image's result, float32 [D]. */
  bias?: Tensor;
  /** Added to the image's result, float32 [S, D]. */
  residual?: Tensor;
}

/** What `biAttention` gives. */
export interface BiAttentionResult {
  /** float32 [S, D]. */
  image: Tensor;
  /** float32 [4 L, C]; row `4 token + head`. */
  text: Tensor;
}

/** Options of `biAttention`. */
export interface BiAttentionOptions {
  /** Scores held at once, in bytes; 32 MiB by default. */
  workspaceBytes?: number;
  /** Forces a kernel; for tests and benchmarks. */
  variant?: BiAttentionVariant;
}

/** Heads, which lie side by side in a vector of 4. */
const HEADS = 4;
/** Invocations that share a row, or a chunk of a column. */
const LANES: Record<BiAttentionVariant, number> = { row: 1, workgroup: 16 };

/**
 * Attention between an image and a text in both directions over one set of scores, `A = image keys + keyBias`, with four
 * heads: the image reads `softmax over the text (A) values + bias + residual`, the text `softmax over the image (A)^T image`.
 * Li et al., "Grounded Language-Image Pre-training" (2022), eq. 4; `BiMultiHeadAttention` of GroundingDINO's
 * `fuse_modules.py`, with its projections multiplied into `keys` and `values`, which is exact and spares its three products
 * of S x 256 x 1024.
 *
 * Scores exist for a block of image tokens at a time. For the text, chunks of tokens give a maximum, a sum and a weighted sum
 * each, which are merged at the end. The published code also clamps scores to 50000 around their greatest, for float16; in
 * float32 that changes nothing unless all scores of a token are 50000 below those of another.
 *
 * @throws ShapeError when the operands do not fit.
 */
export function biAttention(input: BiAttentionInput, options: BiAttentionOptions = {}): BiAttentionResult {
  const { image, keys, keyBias, values, bias, residual } = input;
  const runtime = getRuntime();
  const [tokens, channels] = image.shape as [number, number];
  const [depth, columns] = keys.shape as [number, number];
  const width = values.shape[1] ?? 0;
  const fits = depth === channels && columns > 0 && columns % HEADS === 0 && values.shape[0] === columns;
  if (!fits || keyBias.size !== columns || tokens < 1 || channels % 4 !== 0 || width % 4 !== 0) {
    throw new ShapeError('biAttention', `keys [${channels}, 4 L], values [4 L, *], channels in fours,`, {
      image,
      keys,
      keyBias,
      values,
    });
  }
  const plan = planBiAttention({ tokens, columns, channels }, options.workspaceBytes);
  const size = { tokens, columns, channels, width };
  const variant = options.variant ?? runtime.chooser.choose(tunedBiAttention, size, biAttention, [input, options]);
  const out = runtime.allocate([tokens, width]);
  const sums = runtime.allocate([plan.chunks, columns, channels]);
  const statistics = runtime.allocate([plan.chunks, columns, 2]);
  for (let row = 0; row < tokens; row += plan.blockRows) {
    const rows = Math.min(plan.blockRows, tokens - row);
    const block = rows === tokens ? image : copyBlock(image, runtime.allocate([rows, channels]), {}, { row, rows });
    const scores = gemm(block, keys, { bias: keyBias });
    const firstChunk = row / plan.chunk;
    sumOverImage(runtime, { scores, block, sums, statistics, chunk: plan.chunk, firstChunk }, variant);
    softmaxOverText(runtime, scores, variant);
    gemm(scores, values, { bias, residual, into: { tensor: out, row } });
    scores.dispose();
    if (block !== image) block.dispose();
  }
  const text = mergeChunks(runtime, sums, statistics);
  sums.dispose();
  statistics.dispose();
  return { image: out, text };
}

/** For each chunk of a block and each column: greatest score, sum of exponentials, and the image weighted by them. */
function sumOverImage(
  runtime: Runtime,
  work: { scores: Tensor; block: Tensor; sums: Tensor; statistics: Tensor; chunk: number; firstChunk: number },
  variant: BiAttentionVariant,
): void {
  const { scores, block, sums, statistics, chunk, firstChunk } = work;
  const [rows, columns] = scores.shape as [number, number];
  const channels = block.shape[1]!;
  const chunks = Math.ceil(rows / chunk);
  const weights = runtime.allocate([chunks, columns, chunk]);
  runtime.launch({
    program: defineProgram({
      name: `bi-attention/columns/${variant}`,
      template: columnsWgsl,
      params: { LANES: LANES[variant] },
      buffers: ['read', 'write', 'write'],
    }),
    inputs: [scores],
    outputs: [weights, statistics],
    uniforms: [rows, columns / HEADS, chunk, chunks, firstChunk],
    workgroups: foldWorkgroups(Math.ceil((chunks * columns * LANES[variant]) / HEADS / 64)),
  });
  // The last chunk may go beyond the block's rows: its weights there are zero, and WebGPU bounds the reads.
  launchMatmul(runtime, {
    variant: selectGemm({ m: columns * chunks, n: channels, k: chunk, aligned: true }, runtime.adapterClass),
    a: weights,
    b: block,
    out: sums,
    activation: 'none',
    alpha: 1,
    m: columns,
    n: channels,
    k: chunk,
    batch: chunks,
    aStride: chunk,
    aOffset: 0,
    aBatch: columns * chunk,
    bBatch: chunk * channels,
    outStride: channels,
    outOffset: 0,
    outRow: firstChunk * columns,
    outBatch: columns * channels,
  });
  weights.dispose();
}

/** Softmax of each row and head over the text, in place. */
function softmaxOverText(runtime: Runtime, scores: Tensor, variant: BiAttentionVariant): void {
  const [rows, columns] = scores.shape as [number, number];
  const lanes = LANES[variant];
  runtime.launch({
    program: defineProgram({
      name: `bi-attention/rows/${variant}`,
      template: rowsWgsl,
      params: { LANES: lanes },
      buffers: ['write'],
    }),
    inputs: [],
    outputs: [scores],
    uniforms: [rows, columns / HEADS],
    workgroups: foldWorkgroups(Math.ceil((rows * lanes) / 64)),
  });
}

function mergeChunks(runtime: Runtime, sums: Tensor, statistics: Tensor): Tensor {
  const [chunks, columns, channels] = sums.shape as [number, number, number];
  const text = runtime.allocate([columns, channels]);
  runtime.launch({
    program: defineProgram({ name: 'bi-attention/merge', template: mergeWgsl, buffers: ['read', 'read', 'write'] }),
    inputs: [sums, statistics],
    outputs: [text],
    uniforms: [chunks, columns, channels / 4],
    workgroups: foldWorkgroups(Math.ceil((columns * channels) / 4 / 64)),
  });
  return text;
}
