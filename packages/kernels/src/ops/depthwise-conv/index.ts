import type { Tensor } from '@tensorflow/tfjs-core';
import type { AdapterClass } from '../../device/adapter.js';
import { defineKernel } from '../../dispatch/kernel.js';
import { ACTIVATION_INCLUDES, type Activation, activation } from '../../families/activation/index.js';
import { convOutput, convPadding, type Padding } from '../../families/convolution.js';
import { anything, fields, float32, number, optional, type VariantOptions, variant } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import directWgsl from './direct.wgsl';
import streamingWgsl from './streaming.wgsl';

/** `streaming`: walks along a strip of a row, unrolled over the kernel. `direct`: one output an invocation, any kernel. */
export type DepthwiseVariant = 'streaming' | 'direct';

/** Options of `depthwiseConv`. */
export interface DepthwiseConvOptions extends VariantOptions<DepthwiseVariant> {
  /** Added to every pixel, [C]. */
  bias?: Tensor | undefined;
  activation?: Activation | undefined;
  stride?: number | undefined;
  dilation?: number | undefined;
  /** Zero padding on every side; `[top, left, bottom, right]` where they differ. */
  padding?: Padding | undefined;
}

/** What the choice of a kernel depends on. */
interface DepthwiseShape {
  kernelHeight: number;
  kernelWidth: number;
  stride: number;
  dilation: number;
  outHeight: number;
  outWidth: number;
  channels: number;
}

const includes = ACTIVATION_INCLUDES;
const streaming = defineKernel({
  name: 'depthwise-conv/streaming',
  template: streamingWgsl,
  includes,
  optional: ['bias'],
});
const direct = defineKernel({ name: 'depthwise-conv/direct', template: directWgsl, includes, optional: ['bias'] });

/** Outputs of a strip: long strips load the weights less often, short ones make more invocations. */
export const depthwiseStrip = ({ kind }: AdapterClass): number => (kind === 'software' ? 64 : 16);

/** Outputs of a row that are unfinished at a time: how far a column reaches beyond the step that loads it. */
export const depthwiseQueue = (kernelWidth: number, stride: number, dilation: number): number =>
  Math.floor(((kernelWidth - 1) * dilation) / stride);

/**
 * Depth-wise convolution of one image: every channel with a kernel of its own, `activation(conv(x, weight) + bias)`.
 *
 * @param x float32 [H, W, C], C a multiple of 4.
 * @param weight float32 [kernelHeight, kernelWidth, C, 1] (PyTorch's [C, 1, kh, kw], transposed when loaded).
 * @returns float32 [outH, outW, C].
 * @throws ShapeError when the operands do not fit or C is not a multiple of 4.
 */
export const depthwiseConv = defineOp({
  name: 'depthwise-conv',
  takes: {
    x: float32,
    weight: float32,
    options: fields<DepthwiseConvOptions>({
      bias: optional(float32),
      activation,
      stride: optional(number),
      dilation: optional(number),
      padding: anything,
      variant,
    }),
  },
  kernels: [streaming, direct],
  // Loading each input once a row wins on every adapter; but large kernels would unroll into code that no compiler is quick with.
  supported: ({ kernelHeight, kernelWidth }: DepthwiseShape): readonly DepthwiseVariant[] =>
    kernelHeight * kernelWidth <= 25 ? ['streaming', 'direct'] : ['direct'],
  work: ({ outHeight, outWidth, channels, kernelHeight, kernelWidth, stride }: DepthwiseShape) => {
    const outputs = outHeight * outWidth * channels;
    const taps = kernelHeight * kernelWidth;
    return { flops: 2 * outputs * taps, bytes: 4 * outputs * (1 + Math.min(stride ** 2, taps)) };
  },
  run(call, x: Tensor, weight: Tensor, options: DepthwiseConvOptions = {}): Tensor {
    const { bias, activation = 'none', stride = 1, dilation = 1 } = options;
    const [inHeight, inWidth, channels] = x.shape as [number, number, number];
    const [kernelHeight, kernelWidth, inputs, multiplier] = weight.shape as [number, number, number, number];
    if (x.rank !== 3 || weight.rank !== 4 || inputs !== channels || multiplier !== 1 || channels % 4 !== 0) {
      throw call.wrong('x [H, W, C] and weight [kh, kw, C, 1] with C a multiple of 4', { x, weight });
    }
    if (bias && bias.size !== channels) throw call.wrong(`a bias of ${channels}`, { bias });
    const [padTop, padLeft, padBottom, padRight] = convPadding(options.padding);
    const outHeight = convOutput(inHeight, kernelHeight, stride, dilation, padTop + padBottom);
    const outWidth = convOutput(inWidth, kernelWidth, stride, dilation, padLeft + padRight);
    if (outHeight < 1 || outWidth < 1) throw call.wrong('an image as large as the kernel', { x, weight });
    const out = call.allocate([outHeight, outWidth, channels]);
    const variant = call.choose({ kernelHeight, kernelWidth, stride, dilation, outHeight, outWidth, channels });
    const c4 = channels / 4;
    const tensors = { x, weight, bias, out };
    const sizes = { c4, inHeight, inWidth, outHeight, outWidth, padTop, padLeft };
    if (variant === 'direct') {
      call.launch(direct, {
        params: { ACTIVATION: activation },
        tensors,
        uniforms: { kernelHeight, kernelWidth, stride, dilation, ...sizes },
        invocations: outHeight * outWidth * c4,
      });
      return out;
    }
    const strip = Math.min(depthwiseStrip(call.adapter), outWidth);
    const strips = Math.ceil(outWidth / strip);
    call.launch(streaming, {
      params: {
        ACTIVATION: activation,
        HEIGHT: kernelHeight,
        WIDTH: kernelWidth,
        STRIDE: stride,
        DILATION: dilation,
        QUEUE: depthwiseQueue(kernelWidth, stride, dilation),
      },
      tensors,
      uniforms: { strip, strips, ...sizes },
      invocations: outHeight * strips * c4,
    });
    return out;
  },
});
