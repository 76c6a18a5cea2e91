import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { float32, numbers } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import maskLogitsWgsl from './mask-logits.wgsl';

const dotProducts = defineKernel({ name: 'mask-logits', template: maskLogitsWgsl });

/** Most masks of one launch: each costs four accumulators. */
const MAX_MASKS = 8;

/**
 * Mask logits from a feature map that two transposed 2x2 convolutions of stride 2 enlarged fourfold, as dot products with
 * a vector for each mask (Segment Anything, `modeling/mask_decoder.py`: hypernetwork outputs times upscaled embedding).
 *
 * A transposed convolution whose stride is its kernel size is a matrix product: every input pixel becomes a 2x2 block, and
 * blocks do not overlap. Its plain result, one row a pixel with the block's four pixels side by side, is taken as it is:
 * both pixel shuffles are index arithmetic here, and no shuffled map is ever stored.
 *
 * @param features float32 [B, h * w, 16 * C]: per pixel of the h x w grid the 2x2 block of the first step (rows first),
 *   in it the 2x2 block of the second, in it C channels, C a multiple of 4.
 * @param vectors float32 [B, M, C], M up to 8.
 * @param grid height h and width w.
 * @returns float32 [B, M, 4 h, 4 w].
 * @throws ShapeError when the operands do not fit.
 */
export const maskLogits = defineOp({
  name: 'mask-logits',
  takes: { features: float32, vectors: float32, grid: numbers },
  kernels: [dotProducts],
  run(call, features: Tensor, vectors: Tensor, grid: readonly [height: number, width: number]): Tensor {
    const [height, width] = grid;
    const [batch, masks, channels] = vectors.shape as [number, number, number];
    if (vectors.rank !== 3 || channels % 4 !== 0 || masks < 1 || masks > MAX_MASKS) {
      throw call.wrong(`vectors [B, 1 to ${MAX_MASKS}, C], C a multiple of 4`, { features, vectors });
    }
    if (features.size !== batch * height * width * 16 * channels) {
      throw call.wrong(`features [${batch}, ${height * width}, ${16 * channels}]`, { features, vectors });
    }
    const out = call.allocate([batch, masks, 4 * height, 4 * width]);
    const quads = batch * height * width * 4;
    call.launch(dotProducts, {
      params: { MASKS: masks },
      tensors: { features, vectors, out },
      uniforms: { quads, height, width, c4: channels / 4 },
      invocations: quads,
    });
    return out;
  },
});
