import type { Tensor } from '@tensorflow/tfjs-core';
import { getRuntime } from '../../dispatch/runtime.js';
import { type Activation, launchMatmul } from '../gemm/matmul-program.js';
import type { GemmVariant } from '../gemm/select.js';
import { ShapeError } from '../shape-error.js';
import { tunedConv2d } from './tuning.js';

/** Options of `conv2d`. */
export interface Conv2dOptions {
  /** Added to every pixel, [N]. */
  bias?: Tensor;
  activation?: Activation;
  /** Added to the activated result, [outH, outW, N]. */
  residual?: Tensor;
  /** ReLU of the final sum, residual included. */
  finalRelu?: boolean;
  stride?: number;
  dilation?: number;
  /** Zero padding on every side; `[top, left, bottom, right]` where they differ. */
  padding?: number | readonly [number, number, number, number];
  /** Forces a kernel; for tests and benchmarks. */
  variant?: GemmVariant;
}

/** Output length of a convolution along one axis. */
export const convOutput = (input: number, kernel: number, stride: number, dilation: number, padding: number): number =>
  Math.floor((input + padding - dilation * (kernel - 1) - 1) / stride) + 1;

/** Padding of the four sides. */
export const convPadding = (padding: Conv2dOptions['padding'] = 0): readonly [number, number, number, number] =>
  typeof padding === 'number' ? [padding, padding, padding, padding] : padding;

/**
 * Convolution of one image by an implicit matrix product, `activation(conv(x, weight) + bias) + residual`, with a
 * ReLU of that if `finalRelu` is set. Never builds the im2col matrix.
 *
 * @param x float32 [H, W, C].
 * @param weight float32 [kernelHeight, kernelWidth, C, N] (PyTorch's [N, C, kh, kw], transposed when loaded).
 * @returns float32 [outH, outW, N].
 * @throws ShapeError when the operands do not fit.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const { bias, activation = 'none', residual, finalRelu, stride = 1, dilation = 1 } = options;
  const runtime = getRuntime();
  const [inHeight, inWidth, channels] = x.shape as [number, number, number];
  const [kernelHeight, kernelWidth, inputs, n] = weight.shape as [number, number, number, number];
  if (x.rank !== 3 || weight.rank !== 4 || inputs !== channels) {
    throw new ShapeError('conv2d', 'x [H, W, C] and weight [kh, kw, C, N]', { x, weight });
  }
  if (bias && bias.size !== n) throw new ShapeError('conv2d', `a bias of ${n}`, { bias });
  const [padTop, padLeft, padBottom, padRight] = convPadding(options.padding);
  const outHeight = convOutput(inHeight, kernelHeight, stride, dilation, padTop + padBottom);
  const outWidth = convOutput(inWidth, kernelWidth, stride, dilation, padLeft + padRight);
  if (outHeight < 1 || outWidth < 1) throw new ShapeError('conv2d', 'an image as large as the kernel', { x, weight });
  const m = outHeight * outWidth;
  if (residual && residual.size !== m * n) {
    throw new ShapeError('conv2d', `a residual of [${outHeight}, ${outWidth}, ${n}]`, { residual });
  }
  const out = runtime.allocate([outHeight, outWidth, n]);
  // A 1x1 kernel of stride 1 reads its pixels in order: a plain matrix product without index arithmetic.
  const pointwise =
    kernelHeight === 1 && kernelWidth === 1 && stride === 1 && padTop + padLeft + padBottom + padRight === 0;
  const shape = { m, n, k: channels, aligned: true, taps: kernelHeight * kernelWidth, stride, dilation };
  const variant = options.variant ?? runtime.chooser.choose(tunedConv2d, shape, conv2d, [x, weight, options]);
  launchMatmul(runtime, {
    variant,
    a: x,
    b: weight,
    out,
    bias,
    residual,
    finalRelu,
    activation,
    alpha: 1,
    m,
    n,
    k: kernelHeight * kernelWidth * channels,
    batch: 1,
    aStride: channels,
    aOffset: 0,
    outStride: n,
    outOffset: 0,
    aBatch: 0,
    bBatch: 0,
    outBatch: 0,
    conv: pointwise
      ? undefined
      : { inHeight, inWidth, outWidth, kernelHeight, kernelWidth, stride, dilation, padTop, padLeft },
  });
  return out;
}
