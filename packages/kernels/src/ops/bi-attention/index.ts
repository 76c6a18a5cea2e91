import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { launchMatmul, matmulKernels, selectMatmul } from '../../families/matmul/index.js';
import { fields, float32, number, optional, type VariantOptions, variant } from '../../op/arguments.js';
import { type Call, defineOp } from '../../op/define.js';
import { matrixView } from '../../op/view.js';
import { copyBlock } from '../copy-block/index.js';
import { gemm } from '../gemm/index.js';
import columnsWgsl from './columns.wgsl';
import mergeWgsl from './merge.wgsl';
import { planBiAttention } from './plan.js';
import rowsWgsl from './rows.wgsl';

/**
 * How scores become weights, along rows for the image and along chunks of columns for the text. `row`: one invocation for
 * each. `workgroup`: 16, with a tree in workgroup memory.
 */
export type BiAttentionVariant = 'row' | 'workgroup';

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
export interface BiAttentionOptions extends VariantOptions<BiAttentionVariant> {
  /** Scores held at once, in bytes; 32 MiB by default. */
  workspaceBytes?: number | undefined;
}

/** Heads, which lie side by side in a vector of 4. */
const HEADS = 4;
/** Invocations that share a row, or a chunk of a column. */
const LANES: Record<BiAttentionVariant, number> = { row: 1, workgroup: 16 };

const kernelsOf = (variant: BiAttentionVariant) => {
  const params = { LANES: LANES[variant] };
  return {
    columns: defineKernel({ name: `bi-attention/columns/${variant}`, template: columnsWgsl, params }),
    rows: defineKernel({ name: `bi-attention/rows/${variant}`, template: rowsWgsl, params }),
  };
};
const kernels = { row: kernelsOf('row'), workgroup: kernelsOf('workgroup') };
const merge = defineKernel({ name: 'bi-attention/merge', template: mergeWgsl });
/** Of the product of all chunks at once, which writes into a part of the sums. */
const products = matmulKernels('bi-attention/sum');

/** What the choice of a kernel depends on. */
interface BiAttentionShape {
  tokens: number;
  /** Keys of all heads. */
  columns: number;
  channels: number;
  /** Channels of the values. */
  width: number;
}

type BiAttentionCall = Call<BiAttentionShape, BiAttentionVariant>;

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
export const biAttention = defineOp({
  name: 'bi-attention',
  takes: {
    input: fields<BiAttentionInput>({
      image: float32,
      keys: float32,
      keyBias: float32,
      values: float32,
      bias: optional(float32),
      residual: optional(float32),
    }),
    options: fields<BiAttentionOptions>({ workspaceBytes: optional(number), variant }),
  },
  kernels: [...Object.values(kernels).flatMap((family) => Object.values(family)), merge, ...Object.values(products)],
  supported: (_: BiAttentionShape): readonly BiAttentionVariant[] => ['row', 'workgroup'],
  // A barrier costs a software rasteriser more than reading a whole row.
  select: (_, { kind }) => (kind === 'software' ? 'row' : 'workgroup'),
  work: ({ tokens, columns, channels, width }) => ({
    flops: 2 * tokens * columns * (2 * channels + width),
    bytes: 4 * (tokens * (channels + 2 * width) + columns * (2 * channels + width)),
  }),
  run(call, input: BiAttentionInput, options: BiAttentionOptions = {}): BiAttentionResult {
    const { image, keys, keyBias, values, bias, residual } = input;
    const [tokens, channels] = image.shape as [number, number];
    const [depth, columns] = keys.shape as [number, number];
    const width = values.shape[1] ?? 0;
    const fits = depth === channels && columns > 0 && columns % HEADS === 0 && values.shape[0] === columns;
    if (!fits || keyBias.size !== columns || tokens < 1 || channels % 4 !== 0 || width % 4 !== 0) {
      const operands = { image, keys, keyBias, values };
      throw call.wrong(`keys [${channels}, 4 L], values [4 L, *], channels in fours,`, operands);
    }
    if ((bias && bias.size !== width) || (residual && residual.size !== tokens * width)) {
      throw call.wrong(`a bias of ${width} and a residual of [${tokens}, ${width}]`, { bias, residual });
    }
    const plan = planBiAttention({ tokens, columns, channels }, options.workspaceBytes);
    const variant = call.choose({ tokens, columns, channels, width });
    const out = call.allocate([tokens, width]);
    const sums = call.allocate([plan.chunks, columns, channels]);
    const statistics = call.allocate([plan.chunks, columns, 2]);
    for (let row = 0; row < tokens; row += plan.blockRows) {
      const rows = Math.min(plan.blockRows, tokens - row);
      const block = rows === tokens ? image : copyBlock(image, call.allocate([rows, channels]), {}, { row, rows });
      const scores = gemm(block, keys, { bias: keyBias });
      const firstChunk = row / plan.chunk;
      sumOverImage(call, { scores, block, sums, statistics, chunk: plan.chunk, firstChunk }, variant);
      softmaxOverText(call, scores, variant);
      gemm(scores, values, { bias, residual, into: { tensor: out, row } });
      scores.dispose();
      if (block !== image) block.dispose();
    }
    const text = mergeChunks(call, sums, statistics);
    sums.dispose();
    statistics.dispose();
    return { image: out, text };
  },
});

/** For each chunk of a block and each column: greatest score, sum of exponentials, and the image weighted by them. */
function sumOverImage(
  call: BiAttentionCall,
  work: { scores: Tensor; block: Tensor; sums: Tensor; statistics: Tensor; chunk: number; firstChunk: number },
  variant: BiAttentionVariant,
): void {
  const { scores, block, sums, statistics, chunk, firstChunk } = work;
  const [rows, columns] = scores.shape as [number, number];
  const channels = block.shape[1]!;
  const chunks = Math.ceil(rows / chunk);
  const weights = call.allocate([chunks, columns, chunk]);
  call.launch(kernels[variant].columns, {
    tensors: { scores, weights, statistics },
    uniforms: { rows, tokens: columns / HEADS, chunk, chunks, firstChunk },
    invocations: (chunks * columns * LANES[variant]) / HEADS,
  });
  // The last chunk may go beyond the block's rows: its weights there are zero, and WebGPU bounds the reads.
  const shape = { m: columns * chunks, n: channels, k: chunk, aligned: true };
  launchMatmul(call.runtime, products, selectMatmul(shape, call.adapter), {
    m: columns,
    n: channels,
    k: chunk,
    batch: chunks,
    a: { ...matrixView(weights), batchStride: columns * chunk },
    b: { ...matrixView(block), batchStride: chunk * channels },
    out: { row: firstChunk * columns, ...matrixView(sums) },
    epilogue: {},
  });
  weights.dispose();
}

/** Softmax of each row and head over the text, in place. */
function softmaxOverText(call: BiAttentionCall, scores: Tensor, variant: BiAttentionVariant): void {
  const [rows, columns] = scores.shape as [number, number];
  call.launch(kernels[variant].rows, {
    tensors: { scores },
    uniforms: { rows, tokens: columns / HEADS },
    invocations: rows * LANES[variant],
  });
}

function mergeChunks(call: BiAttentionCall, sums: Tensor, statistics: Tensor): Tensor {
  const [chunks, columns, channels] = sums.shape as [number, number, number];
  const text = call.allocate([columns, channels]);
  call.launch(merge, {
    tensors: { sums, statistics, out: text },
    uniforms: { chunks, columns, channels4: channels / 4 },
    invocations: (columns * channels) / 4,
  });
  return text;
}
