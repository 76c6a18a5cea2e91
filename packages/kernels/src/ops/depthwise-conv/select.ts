import type { AdapterClass } from '../../device/adapter.js';

/** What the choice of a depth-wise kernel depends on. */
export interface DepthwiseShape {
  kernelHeight: number;
  kernelWidth: number;
  stride: number;
  dilation: number;
}

/** `streaming`: walks along a strip of a row, unrolled over the kernel. `direct`: one output an invocation, any kernel. */
export type DepthwiseVariant = 'streaming' | 'direct';

/** The kernels that can compute a shape. Large kernels would unroll into code that no compiler is quick with. */
export function supportedDepthwiseVariants({ kernelHeight, kernelWidth }: DepthwiseShape): DepthwiseVariant[] {
  return kernelHeight * kernelWidth <= 25 ? ['streaming', 'direct'] : ['direct'];
}

/** The kernel to use; loading each input once a row wins on every adapter. */
export const selectDepthwise = (shape: DepthwiseShape): DepthwiseVariant => supportedDepthwiseVariants(shape)[0]!;

/** Outputs of a strip: long strips load the weights less often, short ones make more invocations. */
export const depthwiseStrip = ({ kind }: AdapterClass): number => (kind === 'software' ? 64 : 16);

/** Outputs of a row that are unfinished at a time: how far a column reaches beyond the step that loads it. */
export const depthwiseQueue = ({ kernelWidth, stride, dilation }: DepthwiseShape): number =>
  Math.floor(((kernelWidth - 1) * dilation) / stride);
