import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import patchMergeWgsl from './patch-merge.wgsl';

/**
 * Sets the channels of each 2x2 pixels side by side, in the order (even row, even column), (odd, even), (even, odd),
 * (odd, odd); an odd last row or column is completed with zeros. The gathering half of Swin's patch merging (Liu et al.,
 * "Swin Transformer", 2021).
 *
 * @param x float32 [H, W, C], C a multiple of 4.
 * @returns float32 [ceil(H / 2) * ceil(W / 2), 4 C].
 * @throws ShapeError when `x` is not such an image.
 */
export function patchMerge(x: Tensor): Tensor {
  const runtime = getRuntime();
  const [inHeight, inWidth, channels] = x.shape as [number, number, number];
  if (x.rank !== 3 || channels % 4 !== 0) {
    throw new ShapeError('patchMerge', 'an image [H, W, C] with C a multiple of 4', { x });
  }
  const outWidth = Math.ceil(inWidth / 2);
  const tokens = Math.ceil(inHeight / 2) * outWidth;
  const out = runtime.allocate([tokens, 4 * channels]);
  runtime.launch({
    program: defineProgram({ name: 'patch-merge', template: patchMergeWgsl, buffers: ['read', 'write'] }),
    inputs: [x],
    outputs: [out],
    uniforms: [channels / 4, inHeight, inWidth, outWidth, tokens * channels],
    workgroups: foldWorkgroups(Math.ceil((tokens * channels) / 64)),
  });
  return out;
}
