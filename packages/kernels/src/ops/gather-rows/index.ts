import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { float32, int32, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import gatherRowsWgsl from './gather-rows.wgsl';

const gather = defineKernel({ name: 'gather-rows', template: gatherRowsWgsl });

/**
 * Rows of a matrix in another order, some of them more than once or not at all: windows of an image and back, the nearest
 * pixels of a smaller one, blocks of pixels.
 *
 * @param x float32 [R, C].
 * @param rows int32 [N]: which row of `x` each row of the result is; -1 for one that is none.
 * @param fill float32 [C], what stands in rows that are none; zeros by default.
 * @returns float32 [N, C].
 * @throws ShapeError when the operands do not fit.
 * @see `torch.index_select`, here with rows that are none: https://pytorch.org/docs/stable/generated/torch.index_select.html
 */
export const gatherRows = defineOp({
  name: 'gather-rows',
  takes: { x: float32, rows: int32, fill: optional(float32) },
  kernels: [gather],
  run(call, x: Tensor, rows: Tensor, fill?: Tensor): Tensor {
    const columns = x.shape[1] ?? 0;
    if (x.rank !== 2 || x.size === 0 || rows.rank !== 1) throw call.wrong('a matrix and rows [N]', { x, rows });
    if (fill && fill.size !== columns) throw call.wrong(`a fill of ${columns}`, { x, fill });
    const out = call.allocate([rows.size, columns]);
    const vector = columns % 4 === 0 ? 4 : 1;
    const size = out.size / vector;
    call.launch(gather, {
      params: { VEC: vector, FILL: fill !== undefined },
      tensors: { x, rows, fill, out },
      uniforms: { size, columns: columns / vector },
      invocations: size,
    });
    return out;
  },
});
