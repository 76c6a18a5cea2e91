import type { TunedOp } from '../../tuning/tuned-op.js';
import activationWgsl from '../gemm/activation.wgsl';
import directWgsl from './direct.wgsl';
import { type DepthwiseShape, type DepthwiseVariant, selectDepthwise, supportedDepthwiseVariants } from './select.js';
import streamingWgsl from './streaming.wgsl';

interface TunedDepthwiseShape extends DepthwiseShape {
  outHeight: number;
  outWidth: number;
  channels: number;
}

export const tunedDepthwise: TunedOp<TunedDepthwiseShape, DepthwiseVariant> = {
  name: 'depthwise-conv',
  sources: [activationWgsl, directWgsl, streamingWgsl],
  variants: supportedDepthwiseVariants,
  select: selectDepthwise,
  work: ({ outHeight, outWidth, channels, kernelHeight, kernelWidth, stride }) => {
    const outputs = outHeight * outWidth * channels;
    const taps = kernelHeight * kernelWidth;
    return { flops: 2 * outputs * taps, bytes: 4 * outputs * (1 + Math.min(stride ** 2, taps)) };
  },
};
