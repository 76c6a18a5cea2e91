import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { float32 } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import patchMergeWgsl from './patch-merge.wgsl';

const merge = defineKernel({ name: 'patch-merge', template: patchMergeWgsl });

/**
 * Sets the channels of each 2x2 pixels side by side, in the order (even row, even column), (odd, even), (even, odd),
 * (odd, odd); an odd last row or column is completed with zeros. The gathering half of Swin's patch merging (Liu et al.,
 * "Swin Transformer", 2021).
 *
 * @param x float32 [H, W, C], C a multiple of 4.
 * @returns float32 [ceil(H / 2) * ceil(W / 2), 4 C].
 * @throws ShapeError when `x` is not such an image.
 */
export const patchMerge = defineOp({
  name: 'patch-merge',
  takes: { x: float32 },
  kernels: [merge],
  run(call, x: Tensor): Tensor {
    const [inHeight, inWidth, channels] = x.shape as [number, number, number];
    if (x.rank !== 3 || channels % 4 !== 0) throw call.wrong('an image [H, W, C] with C a multiple of 4', { x });
    const outWidth = Math.ceil(inWidth / 2);
    const tokens = Math.ceil(inHeight / 2) * outWidth;
    const out = call.allocate([tokens, 4 * channels]);
    const count4 = tokens * channels;
    call.launch(merge, {
      tensors: { x, out },
      uniforms: { c4: channels / 4, inHeight, inWidth, outWidth, count4 },
      invocations: count4,
    });
    return out;
  },
});
