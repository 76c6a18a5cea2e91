import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { boolean, fields, float32, number, numbers, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import transposeWgsl from './transpose.wgsl';

const move = defineKernel({ name: 'transpose', template: transposeWgsl });

/** Options of `transpose`. */
export interface TransposeOptions {
  /** Uses only these columns of `x`: [first, count]. */
  columns?: readonly [first: number, count: number] | undefined;
  /** Widens the new tensor to a multiple of 4 columns; the added ones hold anything. */
  padded?: boolean | undefined;
  /** Writes into columns [column, column + rows) of an existing [count, *] tensor and returns that tensor. */
  into?: { tensor: Tensor; column: number } | undefined;
}

/**
 * Transposes a matrix, or some of its columns, into a new tensor or a column range of an existing one.
 *
 * @param x float32 [rows, columns].
 * @returns float32 [columns, rows], or wider where `padded`.
 * @throws ShapeError when the target is too small.
 * @see `torch.t`: https://pytorch.org/docs/stable/generated/torch.t.html
 */
export const transpose = defineOp({
  name: 'transpose',
  takes: {
    x: float32,
    options: fields<TransposeOptions>({
      columns: optional(numbers),
      padded: optional(boolean),
      into: optional(fields<NonNullable<TransposeOptions['into']>>({ tensor: float32, column: number })),
    }),
  },
  kernels: [move],
  run(call, x: Tensor, options: TransposeOptions = {}): Tensor {
    const [rows, xStride] = x.shape as [number, number];
    const [first, columns] = options.columns ?? [0, xStride];
    const out = options.into?.tensor ?? call.allocate([columns, options.padded ? Math.ceil(rows / 4) * 4 : rows]);
    const outOffset = options.into?.column ?? 0;
    const [outRows, outStride] = out.shape as [number, number];
    if (x.rank !== 2 || first + columns > xStride || outRows !== columns || outOffset + rows > outStride) {
      throw call.wrong(`a target of [${columns}, >= ${outOffset + rows}]`, { x, out });
    }
    call.launch(move, {
      tensors: { x, out },
      uniforms: { rows, columns, xStride, xOffset: first, outStride, outOffset },
      invocations: rows * columns,
    });
    return out;
  },
});
