import type { Tensor } from '@tensorflow/tfjs-core';
import { type Activation, activation } from '../../families/activation/index.js';
import { convOutput, convPadding, type Padding } from '../../families/convolution.js';
import {
  launchMatmul,
  type MatmulShape,
  type MatmulVariant,
  matmulKernels,
  selectMatmul,
  supportedMatmul,
} from '../../families/matmul/index.js';
import {
  anything,
  boolean,
  fields,
  float32,
  number,
  optional,
  type VariantOptions,
  variant,
} from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';

/** Options of `conv2d`. */
export interface Conv2dOptions extends VariantOptions<MatmulVariant> {
  /** Added to every pixel, [N]. */
  bias?: Tensor | undefined;
  activation?: Activation | undefined;
  /** Added to the activated result, [outH, outW, N]. */
  residual?: Tensor | undefined;
  /** ReLU of the final sum, residual included. */
  finalRelu?: boolean | undefined;
  stride?: number | undefined;
  dilation?: number | undefined;
  /** Zero padding on every side; `[top, left, bottom, right]` where they differ. */
  padding?: Padding | undefined;
}

/** What the choice of a kernel depends on. */
interface Conv2dShape extends MatmulShape {
  taps: number;
  stride: number;
  dilation: number;
}

const kernels = matmulKernels('conv2d');

/**
 * Convolution of one image by an implicit matrix product, `activation(conv(x, weight) + bias) + residual`, with a
 * ReLU of that if `finalRelu` is set. Never builds the im2col matrix.
 *
 * @param x float32 [H, W, C].
 * @param weight float32 [kernelHeight, kernelWidth, C, N] (PyTorch's [N, C, kh, kw], transposed when loaded).
 * @returns float32 [outH, outW, N].
 * @throws ShapeError when the operands do not fit.
 */
export const conv2d = defineOp({
  name: 'conv2d',
  takes: {
    x: float32,
    weight: float32,
    options: fields<Conv2dOptions>({
      bias: optional(float32),
      activation,
      residual: optional(float32),
      finalRelu: optional(boolean),
      stride: optional(number),
      dilation: optional(number),
      padding: anything,
      variant,
    }),
  },
  kernels: Object.values(kernels),
  supported: (shape: Conv2dShape, adapter): readonly MatmulVariant[] => supportedMatmul(shape, adapter),
  select: (shape, adapter) => selectMatmul(shape, adapter),
  rounding: ['subgroup-matrix'],
  work: ({ m, n, k, taps, stride }: Conv2dShape) => ({
    flops: 2 * m * n * k * taps,
    // With a stride beyond the kernel, pixels between are never read.
    bytes: 4 * (m * Math.min(stride ** 2, taps) * k + taps * k * n + m * n),
  }),
  run(call, x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
    const { bias, activation, residual, finalRelu, stride = 1, dilation = 1 } = options;
    const [inHeight, inWidth, channels] = x.shape as [number, number, number];
    const [kernelHeight, kernelWidth, inputs, n] = weight.shape as [number, number, number, number];
    if (x.rank !== 3 || weight.rank !== 4 || inputs !== channels) {
      throw call.wrong('x [H, W, C] and weight [kh, kw, C, N]', { x, weight });
    }
    if (bias && bias.size !== n) throw call.wrong(`a bias of ${n}`, { bias });
    const [padTop, padLeft, padBottom, padRight] = convPadding(options.padding);
    const outHeight = convOutput(inHeight, kernelHeight, stride, dilation, padTop + padBottom);
    const outWidth = convOutput(inWidth, kernelWidth, stride, dilation, padLeft + padRight);
    if (outHeight < 1 || outWidth < 1) throw call.wrong('an image as large as the kernel', { x, weight });
    const m = outHeight * outWidth;
    if (residual && residual.size !== m * n) {
      throw call.wrong(`a residual of [${outHeight}, ${outWidth}, ${n}]`, { residual });
    }
    const out = call.allocate([outHeight, outWidth, n]);
    const taps = kernelHeight * kernelWidth;
    // A 1x1 kernel of stride 1 reads its pixels in order: a plain matrix product without index arithmetic.
    const pointwise = taps === 1 && stride === 1 && padTop + padLeft + padBottom + padRight === 0;
    const variant = call.choose({ m, n, k: channels, aligned: true, taps, stride, dilation });
    launchMatmul(call.runtime, kernels, variant, {
      m,
      n,
      k: taps * channels,
      batch: 1,
      a: { tensor: x, offset: 0, rowStride: channels, batchStride: 0 },
      b: { tensor: weight, offset: 0, rowStride: n, batchStride: 0 },
      out: { tensor: out, offset: 0, rowStride: n, batchStride: 0, row: 0 },
      epilogue: { bias, residual, finalRelu, activation },
      conv: pointwise
        ? undefined
        : { inHeight, inWidth, outWidth, kernelHeight, kernelWidth, stride, dilation, padTop, padLeft },
    });
    return out;
  },
});
