import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import rowsWgsl from './rows.wgsl';
import type { SoftmaxVariant } from './select.js';
import { tunedSoftmax } from './tuning.js';

export { type SoftmaxVariant, selectSoftmax, supportedSoftmaxVariants } from './select.js';

/**
 * Softmax over each row of a matrix, in place.
 *
 * @param x float32 [rows, columns], columns a multiple of 4; overwritten.
 * @param validColumns Columns that take part; the rest become 0. All by default.
 * @returns `x`.
 * @throws ShapeError when the columns are not a multiple of 4.
 */
export function softmaxRows(x: Tensor, validColumns = x.shape[1]!, options: { variant?: SoftmaxVariant } = {}): Tensor {
  const runtime = getRuntime();
  const [rows, columns] = x.shape as [number, number];
  if (x.rank !== 2 || columns % 4 !== 0)
    throw new ShapeError('softmaxRows', 'a matrix whose columns are a multiple of 4', { x });
  const variant =
    options.variant ?? runtime.chooser.choose(tunedSoftmax, { rows, columns }, softmaxRows, [x, validColumns, options]);
  const { subgroupSize } = runtime.adapterClass;
  const subgroup = variant === 'subgroup';
  const program = defineProgram({
    name: `softmax/${variant}`,
    template: rowsWgsl,
    params: { SUBGROUP: subgroup, THREADS: subgroup ? subgroupSize : 128 },
    buffers: ['write'],
  });
  runtime.launch({
    program,
    inputs: [],
    outputs: [x],
    uniforms: [rows, columns / 4, validColumns],
    workgroups: foldWorkgroups(rows),
  });
  return x;
}
