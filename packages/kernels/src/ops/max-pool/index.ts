import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { convOutput } from '../../families/convolution.js';
import { fields, float32, number, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import maxPoolWgsl from './max-pool.wgsl';

const pool = defineKernel({ name: 'max-pool', template: maxPoolWgsl });

/** Options of `maxPool`. */
export interface MaxPoolOptions {
  /** Distance of two windows; the window's size by default. */
  stride?: number | undefined;
  /** Pixels of minus infinity on every side, at most half the window's size. */
  padding?: number | undefined;
}

/**
 * Maximum over square windows of one image.
 *
 * @param x float32 [H, W, C], C a multiple of 4.
 * @param size side of the window in pixels.
 * @returns float32 [outH, outW, C].
 * @throws ShapeError when the operands do not fit or C is not a multiple of 4.
 * @see `torch.nn.functional.max_pool2d`: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
 */
export const maxPool = defineOp({
  name: 'max-pool',
  takes: {
    x: float32,
    size: number,
    options: fields<MaxPoolOptions>({ stride: optional(number), padding: optional(number) }),
  },
  kernels: [pool],
  run(call, x: Tensor, size: number, { stride = size, padding = 0 }: MaxPoolOptions = {}): Tensor {
    const [inHeight, inWidth, channels] = x.shape as [number, number, number];
    if (x.rank !== 3 || channels % 4 !== 0) {
      throw call.wrong('an image [H, W, C] with C a multiple of 4', { x });
    }
    if (padding > size / 2) throw call.wrong(`a padding of at most ${Math.floor(size / 2)}, not ${padding},`, { x });
    const outHeight = convOutput(inHeight, size, stride, 1, 2 * padding);
    const outWidth = convOutput(inWidth, size, stride, 1, 2 * padding);
    if (outHeight < 1 || outWidth < 1) throw call.wrong(`an image as large as ${size}x${size}`, { x });
    const out = call.allocate([outHeight, outWidth, channels]);
    const c4 = channels / 4;
    call.launch(pool, {
      tensors: { x, out },
      uniforms: { c4, inHeight, inWidth, outHeight, outWidth, size, stride, padding },
      invocations: outHeight * outWidth * c4,
    });
    return out;
  },
});
