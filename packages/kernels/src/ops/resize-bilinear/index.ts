import type { Tensor } from '@tensorflow/tfjs-core';
import { type BufferAccess, defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import resizeWgsl from './resize.wgsl';

/** Options of `resizeBilinear`. */
export interface ResizeBilinearOptions {
  /**
   * Whether the corner samples of input and output coincide (`source = i (in - 1) / (out - 1)`) or the outer edges of
   * the images do (`source = (i + 0.5) in / out - 0.5`, not below 0; the default).
   */
  alignCorners?: boolean;
  /** Added to the result, [outH, outW, C]. */
  residual?: Tensor;
}

/** Outputs of a row that an invocation works through. */
const OUTPUTS = 8;

/** Distance of two outputs in the input, as PyTorch computes it in single precision. */
export const resizeScale = (input: number, output: number, alignCorners: boolean): number =>
  alignCorners ? (output > 1 ? Math.fround((input - 1) / (output - 1)) : 0) : Math.fround(input / output);

/**
 * Bilinear resize without anti-aliasing, `resize(x) + residual`; PyTorch's `interpolate(mode='bilinear')` to a given size.
 *
 * @param x float32 [H, W, C].
 * @param size output height and width in pixels.
 * @returns float32 [outH, outW, C].
 * @throws ShapeError when the operands do not fit.
 */
export function resizeBilinear(
  x: Tensor,
  size: readonly [height: number, width: number],
  options: ResizeBilinearOptions = {},
): Tensor {
  const { alignCorners = false, residual } = options;
  const runtime = getRuntime();
  const [inHeight, inWidth, channels] = x.shape as [number, number, number];
  const [outHeight, outWidth] = size;
  if (x.rank !== 3 || x.size === 0) throw new ShapeError('resizeBilinear', 'an image [H, W, C]', { x });
  if (residual && residual.size !== outHeight * outWidth * channels) {
    throw new ShapeError('resizeBilinear', `a residual of [${outHeight}, ${outWidth}, ${channels}]`, { residual });
  }
  const out = runtime.allocate([outHeight, outWidth, channels]);
  const vector = channels % 4 === 0 ? 4 : 1;
  const columns = channels / vector;
  const strips = Math.ceil(outWidth / OUTPUTS);
  const buffers: BufferAccess[] = residual ? ['read', 'read', 'write'] : ['read', 'write'];
  runtime.launch({
    program: defineProgram({
      name: 'resize-bilinear',
      template: resizeWgsl,
      params: { VEC: vector, OUTPUTS, RESIDUAL: residual !== undefined, OUT_BINDING: buffers.length - 1 },
      buffers,
    }),
    inputs: residual ? [x, residual] : [x],
    outputs: [out],
    uniforms: [
      columns,
      inHeight,
      inWidth,
      outHeight,
      outWidth,
      strips,
      f32(resizeScale(inHeight, outHeight, alignCorners)),
      f32(resizeScale(inWidth, outWidth, alignCorners)),
      f32(alignCorners ? 0 : 0.5),
    ],
    workgroups: foldWorkgroups(Math.ceil((outHeight * strips * columns) / 64)),
  });
  return out;
}
