import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { ACTIVATION_INCLUDES, type Activation, activation } from '../../families/activation/index.js';
import { fields, float32 } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import broadcastAddWgsl from './broadcast-add.wgsl';

const add = defineKernel({ name: 'broadcast-add', template: broadcastAddWgsl, includes: ACTIVATION_INCLUDES });

/** Options of `broadcastAdd`. */
export interface BroadcastAddOptions {
  /** Applied to the sum; none by default. */
  activation?: Activation | undefined;
}

/**
 * Sum of a tensor and one that is repeated over its leading dimensions, such as a positional encoding over a batch, and an
 * activation of that.
 *
 * @param x float32 [..., *shape of y].
 * @param y float32; the last dimensions of `x`.
 * @returns float32, shaped like `x`.
 * @throws ShapeError when the last dimensions of `x` are not those of `y`.
 * @see `torch.add` with broadcasting: https://pytorch.org/docs/stable/notes/broadcasting.html
 */
export const broadcastAdd = defineOp({
  name: 'broadcast-add',
  takes: { x: float32, y: float32, options: fields<BroadcastAddOptions>({ activation }) },
  kernels: [add],
  run(call, x: Tensor, y: Tensor, { activation = 'none' }: BroadcastAddOptions = {}): Tensor {
    if (y.size === 0 || y.rank > x.rank || y.shape.some((side, i) => side !== x.shape[x.rank - y.rank + i])) {
      throw call.wrong('x to end in the dimensions of y', { x, y });
    }
    const out = call.allocate(x.shape);
    const vector = y.size % 4 === 0 ? 4 : 1;
    const size = x.size / vector;
    call.launch(add, {
      params: { VEC: vector, ACTIVATION: activation },
      tensors: { x, y, out },
      uniforms: { size, period: y.size / vector },
      invocations: size,
    });
    return out;
  },
});
