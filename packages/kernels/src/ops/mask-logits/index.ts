import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import maskLogitsWgsl from './mask-logits.wgsl';

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
export function maskLogits(features: Tensor, vectors: Tensor, grid: readonly [height: number, width: number]): Tensor {
  const runtime = getRuntime();
  const [height, width] = grid;
  const [batch, masks, channels] = vectors.shape as [number, number, number];
  if (vectors.rank !== 3 || channels % 4 !== 0 || masks < 1 || masks > MAX_MASKS) {
    throw new ShapeError('maskLogits', `vectors [B, 1 to ${MAX_MASKS}, C], C a multiple of 4`, { features, vectors });
  }
  if (features.size !== batch * height * width * 16 * channels) {
    throw new ShapeError('maskLogits', `features [${batch}, ${height * width}, ${16 * channels}]`, {
      features,
      vectors,
    });
  }
  const out = runtime.allocate([batch, masks, 4 * height, 4 * width]);
  const quads = batch * height * width * 4;
  runtime.launch({
    program: defineProgram({
      name: 'mask-logits',
      template: maskLogitsWgsl,
      params: { MASKS: masks },
      buffers: ['read', 'read', 'write'],
    }),
    inputs: [features, vectors],
    outputs: [out],
    uniforms: [quads, height, width, channels / 4],
    workgroups: foldWorkgroups(Math.ceil(quads / 64)),
  });
  return out;
}
