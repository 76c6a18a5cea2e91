import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { convOutput } from '../conv2d/index.js';
import { ShapeError } from '../shape-error.js';
import maxPoolWgsl from './max-pool.wgsl';

/** Options of `maxPool`. */
export interface MaxPoolOptions {
  /** Distance of two windows; the window's size by default. */
  stride?: number;
  /** Pixels of minus infinity on every side, at most half the window's size. */
  padding?: number;
}

/**
 * Maximum over square windows of one image.
 *
 * @param x float32 [H, W, C], C a multiple of 4.
 * @param size side of the window in pixels.
 * @returns float32 [outH, outW, C].
 * @throws ShapeError when the operands do not fit or C is not a multiple of 4.
 */
export function maxPool(x: Tensor, size: number, options: MaxPoolOptions = {}): Tensor {
  const { stride = size, padding = 0 } = options;
  const runtime = getRuntime();
  const [inHeight, inWidth, channels] = x.shape as [number, number, number];
  if (x.rank !== 3 || channels % 4 !== 0) {
    throw new ShapeError('maxPool', 'an image [H, W, C] with C a multiple of 4', { x });
  }
  if (padding > size / 2) {
    throw new ShapeError('maxPool', `a padding of at most ${Math.floor(size / 2)}, not ${padding},`, { x });
  }
  const outHeight = convOutput(inHeight, size, stride, 1, 2 * padding);
  const outWidth = convOutput(inWidth, size, stride, 1, 2 * padding);
  if (outHeight < 1 || outWidth < 1) throw new ShapeError('maxPool', `an image as large as ${size}x${size}`, { x });
  const out = runtime.allocate([outHeight, outWidth, channels]);
  runtime.launch({
    program: defineProgram({ name: 'max-pool', template: maxPoolWgsl, buffers: ['read', 'write'] }),
    inputs: [x],
    outputs: [out],
    uniforms: [channels / 4, inHeight, inWidth, outHeight, outWidth, size, stride, padding],
    workgroups: foldWorkgroups(Math.ceil((outHeight * outWidth * channels) / 4 / 64)),
  });
  return out;
}
