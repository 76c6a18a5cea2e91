import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { fields, float32, number, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import refineWgsl from './refine.wgsl';

const refine = defineKernel({ name: 'box-refinement', template: refineWgsl });

/** Options of `refineBoxes`. */
export interface RefineBoxesOptions {
  /** Coordinates are kept this far from 0 and from 1 before they become logits; 1e-3 by default, as in GroundingDINO. */
  eps?: number | undefined;
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
export const refineBoxes = defineOp({
  name: 'box-refinement',
  takes: { delta: float32, boxes: float32, options: fields<RefineBoxesOptions>({ eps: optional(number) }) },
  kernels: [refine],
  run(call, delta: Tensor, boxes: Tensor, { eps = 1e-3 }: RefineBoxesOptions = {}): Tensor {
    const queries = boxes.shape[0] ?? 0;
    if (boxes.rank !== 2 || boxes.shape[1] !== 4 || delta.size !== boxes.size) {
      throw call.wrong('as many moves as boxes, of four coordinates each,', { delta, boxes });
    }
    const out = call.allocate([queries, 4]);
    call.launch(refine, { tensors: { delta, boxes, out }, uniforms: { boxes: queries, eps }, invocations: queries });
    return out;
  },
});
