import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import broadcastAddWgsl from './broadcast-add.wgsl';

/**
 * Sum of a tensor and one that is repeated over its leading dimensions, such as a positional encoding over a batch.
 *
 * @param x float32 [..., *shape of y].
 * @param y float32; the last dimensions of `x`.
 * @returns float32, shaped like `x`.
 * @throws ShapeError when the last dimensions of `x` are not those of `y`.
 */
export function broadcastAdd(x: Tensor, y: Tensor): Tensor {
  const runtime = getRuntime();
  if (y.size === 0 || y.rank > x.rank || y.shape.some((side, i) => side !== x.shape[x.rank - y.rank + i])) {
    throw new ShapeError('broadcastAdd', 'x to end in the dimensions of y', { x, y });
  }
  const out = runtime.allocate(x.shape);
  const vector = y.size % 4 === 0 ? 4 : 1;
  runtime.launch({
    program: defineProgram({
      name: 'broadcast-add',
      template: broadcastAddWgsl,
      params: { VEC: vector },
      buffers: ['read', 'read', 'write'],
    }),
    inputs: [x, y],
    outputs: [out],
    uniforms: [x.size / vector, y.size / vector],
    workgroups: foldWorkgroups(Math.ceil(x.size / vector / 64)),
  });
  return out;
}
