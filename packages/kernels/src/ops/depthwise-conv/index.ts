import type { Tensor } from '@tensorflow/tfjs-core';
import { type BufferAccess, defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { convOutput, convPadding } from '../conv2d/index.js';
import activationWgsl from '../gemm/activation.wgsl';
import type { Activation } from '../gemm/matmul-program.js';
import { ShapeError } from '../shape-error.js';
import directWgsl from './direct.wgsl';
import { type DepthwiseVariant, depthwiseQueue, depthwiseStrip } from './select.js';
import streamingWgsl from './streaming.wgsl';
import { tunedDepthwise } from './tuning.js';

export {
  type DepthwiseShape,
  type DepthwiseVariant,
  selectDepthwise,
  supportedDepthwiseVariants,
} from './select.js';

/** Options of `depthwiseConv`. */
export interface DepthwiseConvOptions {
  /** Added to every pixel, [C]. */
  bias?: Tensor;
  activation?: Activation;
  stride?: number;
  dilation?: number;
  /** Zero padding on every side; `[top, left, bottom, right]` where they differ. */
  padding?: number | readonly [number, number, number, number];
  /** Forces a kernel; for tests and benchmarks. */
  variant?: DepthwiseVariant;
}

/**
 * Depth-wise convolution of one image: every channel with a kernel of its own, `activation(conv(x, weight) + bias)`.
 *
 * @param x float32 [H, W, C], C a multiple of 4.
 * @param weight float32 [kernelHeight, kernelWidth, C, 1] (PyTorch's [C, 1, kh, kw], transposed when loaded).
 * @returns float32 [outH, outW, C].
 * @throws ShapeError when the operands do not fit or C is not a multiple of 4.
 */
export function depthwiseConv(x: Tensor, weight: Tensor, options: DepthwiseConvOptions = {}): Tensor {
  const { bias, activation = 'none', stride = 1, dilation = 1 } = options;
  const runtime = getRuntime();
  const [inHeight, inWidth, channels] = x.shape as [number, number, number];
  const [kernelHeight, kernelWidth, inputs, multiplier] = weight.shape as [number, number, number, number];
  if (x.rank !== 3 || weight.rank !== 4 || inputs !== channels || multiplier !== 1 || channels % 4 !== 0) {
    throw new ShapeError('depthwiseConv', 'x [H, W, C] and weight [kh, kw, C, 1] with C a multiple of 4', {
      x,
      weight,
    });
  }
  if (bias && bias.size !== channels) throw new ShapeError('depthwiseConv', `a bias of ${channels}`, { bias });
  const [padTop, padLeft, padBottom, padRight] = convPadding(options.padding);
  const outHeight = convOutput(inHeight, kernelHeight, stride, dilation, padTop + padBottom);
  const outWidth = convOutput(inWidth, kernelWidth, stride, dilation, padLeft + padRight);
  if (outHeight < 1 || outWidth < 1) {
    throw new ShapeError('depthwiseConv', 'an image as large as the kernel', { x, weight });
  }
  const out = runtime.allocate([outHeight, outWidth, channels]);
  const shape = { kernelHeight, kernelWidth, stride, dilation };
  const tuned = { ...shape, outHeight, outWidth, channels };
  const variant = options.variant ?? runtime.chooser.choose(tunedDepthwise, tuned, depthwiseConv, [x, weight, options]);
  const c4 = channels / 4;
  const buffers: BufferAccess[] = bias ? ['read', 'read', 'read', 'write'] : ['read', 'read', 'write'];
  const params = { ACTIVATION: activation, BIAS: bias !== undefined, OUT_BINDING: buffers.length - 1 };
  const common = { includes: { activation: activationWgsl }, buffers };
  const tensors = { inputs: bias ? [x, weight, bias] : [x, weight], outputs: [out] };
  const sizes = [c4, inHeight, inWidth, outHeight, outWidth];
  if (variant === 'direct') {
    runtime.launch({
      program: defineProgram({ name: 'depthwise-conv/direct', template: directWgsl, params, ...common }),
      ...tensors,
      uniforms: [...sizes, kernelHeight, kernelWidth, stride, dilation, padTop, padLeft],
      workgroups: foldWorkgroups(Math.ceil((outHeight * outWidth * c4) / 64)),
    });
    return out;
  }
  const strip = Math.min(depthwiseStrip(runtime.adapterClass), outWidth);
  const strips = Math.ceil(outWidth / strip);
  const unrolled = {
    HEIGHT: kernelHeight,
    WIDTH: kernelWidth,
    STRIDE: stride,
    DILATION: dilation,
    QUEUE: depthwiseQueue(shape),
  };
  runtime.launch({
    program: defineProgram({
      name: 'depthwise-conv/streaming',
      template: streamingWgsl,
      params: { ...params, ...unrolled },
      ...common,
    }),
    ...tensors,
    uniforms: [...sizes, strip, strips, padTop, padLeft],
    workgroups: foldWorkgroups(Math.ceil((outHeight * strips * c4) / 64)),
  });
  return out;
}
