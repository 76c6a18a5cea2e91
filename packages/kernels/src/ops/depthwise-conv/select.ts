/** What the choice of a depth-wise kernel depends on. */
export interface DepthwiseShape {
  kernelWidth: number;
  stride: number;
  dilation: number;
}

/** `sliding`: several outputs of a row an invocation, unrolled over the kernel's width. `direct`: one output, any kernel. */
export type DepthwiseVariant = 'sliding' | 'direct';

/** Outputs of a row that an invocation of `sliding` computes: more share each load until registers run out. */
export const slidingOutputs = ({ stride }: DepthwiseShape): number => (stride === 1 ? 8 : 4);

/** Inputs of a row under the outputs of one invocation. */
export const slidingWindow = (shape: DepthwiseShape): number =>
  (slidingOutputs(shape) - 1) * shape.stride + (shape.kernelWidth - 1) * shape.dilation + 1;

/** The kernels that can compute a shape. Wide windows would unroll into code that no compiler is quick with. */
export function supportedDepthwiseVariants(shape: DepthwiseShape): DepthwiseVariant[] {
  return slidingWindow(shape) <= 16 ? ['sliding', 'direct'] : ['direct'];
}

/** The kernel to use; sharing loads wins on every adapter. */
export const selectDepthwise = (shape: DepthwiseShape): DepthwiseVariant => supportedDepthwiseVariants(shape)[0]!;
