import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import transposeWgsl from './transpose.wgsl';

/** Options of `transpose`. */
export interface TransposeOptions {
  /** Uses only these columns of `x`: [first, count]. */
  columns?: readonly [first: number, count: number];
  /** Widens the new tensor to a multiple of 4 columns; the added ones hold anything. */
  padded?: boolean;
  /** Writes into columns [column, column + rows) of an existing [count, *] tensor and returns that tensor. */
  into?: { tensor: Tensor; column: number };
}

/**
 * Transposes a matrix, or some of its columns, into a new tensor or a column range of an existing one.
 *
 * @param x float32 [rows, columns].
 * @returns float32 [columns, rows], or wider where `padded`.
 * @throws ShapeError when the target is too small.
 */
export function transpose(x: Tensor, options: TransposeOptions = {}): Tensor {
  const runtime = getRuntime();
  const [rows, stride] = x.shape as [number, number];
  const [first, count] = options.columns ?? [0, stride];
  const out = options.into?.tensor ?? runtime.allocate([count, options.padded ? Math.ceil(rows / 4) * 4 : rows]);
  const offset = options.into?.column ?? 0;
  const [outRows, outStride] = out.shape as [number, number];
  if (x.rank !== 2 || first + count > stride || outRows !== count || offset + rows > outStride) {
    throw new ShapeError('transpose', `a target of [${count}, >= ${offset + rows}]`, { x, out });
  }
  const program = defineProgram({ name: 'transpose', template: transposeWgsl, buffers: ['read', 'write'] });
  runtime.launch({
    program,
    inputs: [x],
    outputs: [out],
    uniforms: [rows, count, stride, first, outStride, offset],
    workgroups: foldWorkgroups(Math.ceil((rows * count) / 64)),
  });
  return out;
}
