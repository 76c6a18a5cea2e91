import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { resizeScale } from '../../families/interpolation.js';
import { boolean, fields, float32, numbers, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import resizeWgsl from './resize.wgsl';

/** Options of `resizeBilinear`. */
export interface ResizeBilinearOptions {
  /**
   * Whether the corner samples of input and output coincide (`source = i (in - 1) / (out - 1)`) or the outer edges of
   * the images do (`source = (i + 0.5) in / out - 0.5`, not below 0; the default).
   */
  alignCorners?: boolean | undefined;
  /** Added to the result, [outH, outW, C]. */
  residual?: Tensor | undefined;
}

/** Outputs of a row that an invocation works through. */
const OUTPUTS = 8;

const resize = defineKernel({
  name: 'resize-bilinear',
  template: resizeWgsl,
  params: { OUTPUTS },
  optional: ['residual'],
});

/**
 * Bilinear resize without anti-aliasing, `resize(x) + residual`; PyTorch's `interpolate(mode='bilinear')` to a given size.
 *
 * @param x float32 [H, W, C].
 * @param size output height and width in pixels.
 * @returns float32 [outH, outW, C].
 * @throws ShapeError when the operands do not fit.
 */
export const resizeBilinear = defineOp({
  name: 'resize-bilinear',
  takes: {
    x: float32,
    size: numbers,
    options: fields<ResizeBilinearOptions>({ alignCorners: optional(boolean), residual: optional(float32) }),
  },
  kernels: [resize],
  run(call, x: Tensor, size: readonly [height: number, width: number], options: ResizeBilinearOptions = {}): Tensor {
    const { alignCorners = false, residual } = options;
    const [inHeight, inWidth, channels] = x.shape as [number, number, number];
    const [outHeight, outWidth] = size;
    if (x.rank !== 3 || x.size === 0) throw call.wrong('an image [H, W, C]', { x });
    if (residual && residual.size !== outHeight * outWidth * channels) {
      throw call.wrong(`a residual of [${outHeight}, ${outWidth}, ${channels}]`, { residual });
    }
    const out = call.allocate([outHeight, outWidth, channels]);
    const vector = channels % 4 === 0 ? 4 : 1;
    const strips = Math.ceil(outWidth / OUTPUTS);
    call.launch(resize, {
      params: { VEC: vector },
      tensors: { x, residual, out },
      uniforms: {
        channels: channels / vector,
        inHeight,
        inWidth,
        outHeight,
        outWidth,
        strips,
        scaleY: resizeScale(inHeight, outHeight, alignCorners),
        scaleX: resizeScale(inWidth, outWidth, alignCorners),
        centre: alignCorners ? 0 : 0.5,
      },
      invocations: (outHeight * strips * channels) / vector,
    });
    return out;
  },
});
