import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { anyTensor, fields, float32, listOf, number, numbers, OperandError, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import copyBlockWgsl from './copy-block.wgsl';

const copy = defineKernel({ name: 'copy-block', template: copyBlockWgsl });

/** A rectangle of a matrix. */
export interface Block {
  row?: number;
  column?: number;
  /** To the end of the source by default. */
  rows?: number;
  columns?: number;
}

/**
 * Copies a rectangle of `x` into `target` at (row, column), in place. Both may be the same matrix if the rectangles do
 * not overlap.
 *
 * @param x [R, C]; the whole of it by default.
 * @param target [R2, C2] of the same dtype; returned.
 * @throws ShapeError when the rectangle does not fit; OperandError when the dtypes differ.
 * @see `torch.Tensor.copy_` between slices: https://pytorch.org/docs/stable/generated/torch.Tensor.copy_.html
 */
export const copyBlock = defineOp({
  name: 'copy-block',
  takes: {
    x: anyTensor,
    target: anyTensor,
    at: fields<{ row?: number; column?: number }>({ row: optional(number), column: optional(number) }),
    block: fields<Block>({
      row: optional(number),
      column: optional(number),
      rows: optional(number),
      columns: optional(number),
    }),
  },
  kernels: [copy],
  run(call, x: Tensor, target: Tensor, at: { row?: number; column?: number } = {}, block: Block = {}): Tensor {
    const [height, width] = x.shape as [number, number];
    const [targetHeight, targetWidth] = target.shape as [number, number];
    const { row = 0, column = 0 } = block;
    const { rows = height - row, columns = width - column } = block;
    const { row: targetRow = 0, column: targetColumn = 0 } = at;
    const fits = row + rows <= height && column + columns <= width;
    const targetFits = targetRow + rows <= targetHeight && targetColumn + columns <= targetWidth;
    if (x.rank !== 2 || target.rank !== 2 || !fits || !targetFits) {
      throw call.wrong(`room for [${rows}, ${columns}]`, { x, target });
    }
    if (x.dtype !== target.dtype) {
      const message = `target is to be a tensor of ${x.dtype}, as x is, got one of ${target.dtype}`;
      throw new OperandError('copy-block', 'target', message);
    }
    const vector = [width, column, columns, targetWidth, targetColumn].every((n) => n % 4 === 0);
    const unit = vector ? 4 : 1;
    const same = x.dataId === target.dataId;
    call.launch(copy, {
      params: { TYPE: vector ? 'vec4u' : 'u32', SAME: same },
      tensors: { x: same ? undefined : x, out: target },
      uniforms: {
        rows,
        columns: columns / unit,
        xStride: width / unit,
        xOffset: (row * width + column) / unit,
        outStride: targetWidth / unit,
        outOffset: (targetRow * targetWidth + targetColumn) / unit,
      },
      invocations: (rows * columns) / unit,
    });
    return target;
  },
});

/**
 * Matrices side by side, [R, C1 + C2 + ...]; `columns` takes only [first, count] of a part.
 * @throws ShapeError when they have not equally many rows.
 * @see `torch.cat`: https://pytorch.org/docs/stable/generated/torch.cat.html
 */
export const concatColumns = defineOp({
  name: 'concat-columns',
  takes: {
    parts: listOf(
      fields<{ x: Tensor; columns?: readonly [number, number] }>({ x: float32, columns: optional(numbers) }),
    ),
  },
  kernels: [],
  run(call, parts: readonly { x: Tensor; columns?: readonly [number, number] }[]): Tensor {
    const rows = parts[0]?.x.shape[0] ?? 0;
    let width = 0;
    for (const { x, columns: [first, count] = [0, x.shape[1]!] } of parts) {
      const fits = x.rank === 2 && x.shape[0] === rows && first + count <= x.shape[1]!;
      if (!fits) throw call.wrong(`${rows} rows of at least ${first + count} columns`, { x });
      width += count;
    }
    const out = call.allocate([rows, width]);
    let column = 0;
    for (const { x, columns: [first, count] = [0, x.shape[1]!] } of parts) {
      copyBlock(x, out, { column }, { column: first, columns: count });
      column += count;
    }
    return out;
  },
});
