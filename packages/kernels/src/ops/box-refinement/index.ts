import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { ShapeError } from '../shape-error.js';
import refineWgsl from './refine.wgsl';

/** Options of `refineBoxes`. */
export interface RefineBoxesOptions {
  /** Coordinates are kept this far from 0 and from 1 before they become logits; 1e-3 by default, as in GroundingDINO. */
  eps?: number;
}

/**
 * Moves boxes in the space of logits, `sigmoid(delta + logit(boxes))`, with `logit(x) = log(max(x, eps) / max(1 - x, eps))`
 * of x clamped to 0..1. Zhu et al., "Deformable DETR" (2021), iterative bounding box refinement.
 *
 * @param delta float32 [Q, 4].
 * @param boxes float32 [Q, 4], shares of the image.
 * @returns float32 [Q, 4].
 * @throws ShapeError when the operands do not fit.
 */
export function refineBoxes(delta: Tensor, boxes: Tensor, { eps = 1e-3 }: RefineBoxesOptions = {}): Tensor {
  const runtime = getRuntime();
  const queries = boxes.shape[0] ?? 0;
  if (boxes.rank !== 2 || boxes.shape[1] !== 4 || delta.size !== boxes.size) {
    throw new ShapeError('refineBoxes', 'as many moves as boxes, of four coordinates each,', { delta, boxes });
  }
  const out = runtime.allocate([queries, 4]);
  runtime.launch({
    program: defineProgram({ name: 'box-refinement', template: refineWgsl, buffers: ['read', 'read', 'write'] }),
    inputs: [delta, boxes],
    outputs: [out],
    uniforms: [queries, f32(eps)],
    workgroups: [Math.ceil(queries / 64)],
  });
  return out;
}
