import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { float32, number, optional, type VariantOptions, variantOptions } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import rowsWgsl from './rows.wgsl';

/** `subgroup`: one subgroup a row, no barriers. `workgroup`: 128 invocations a row and a tree in workgroup memory. */
export type SoftmaxVariant = 'subgroup' | 'workgroup';

const kernels = {
  subgroup: defineKernel({ name: 'softmax/subgroup', template: rowsWgsl, params: { SUBGROUP: true } }),
  workgroup: defineKernel({ name: 'softmax/workgroup', template: rowsWgsl, params: { SUBGROUP: false } }),
};

/**
 * Softmax over each row of a matrix, in place.
 *
 * @param x float32 [rows, columns], columns a multiple of 4; overwritten.
 * @param validColumns Columns that take part; the rest become 0. All by default.
 * @returns `x`.
 * @throws ShapeError when the columns are not a multiple of 4.
 * @see `torch.softmax`: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
 */
export const softmaxRows = defineOp({
  name: 'softmax',
  takes: { x: float32, validColumns: optional(number), options: variantOptions },
  kernels: Object.values(kernels),
  supported: (_: { rows: number; columns: number }, { subgroupSize }): readonly SoftmaxVariant[] =>
    subgroupSize > 0 ? ['subgroup', 'workgroup'] : ['workgroup'],
  // Barriers are what costs on a software adapter; a GPU wants more invocations a row than a subgroup has.
  select: (_, { kind, subgroupSize }) => (kind === 'software' && subgroupSize > 0 ? 'subgroup' : 'workgroup'),
  work: ({ rows, columns }) => ({ flops: 5 * rows * columns, bytes: 8 * rows * columns }),
  run(call, x: Tensor, validColumns: number = x.shape[1]!, _options: VariantOptions<SoftmaxVariant> = {}): Tensor {
    const [rows, columns] = x.shape as [number, number];
    if (x.rank !== 2 || columns % 4 !== 0) throw call.wrong('a matrix whose columns are a multiple of 4', { x });
    const variant = call.choose({ rows, columns });
    call.launch(kernels[variant], {
      params: { THREADS: variant === 'subgroup' ? call.adapter.subgroupSize : 128 },
      tensors: { x },
      uniforms: { rows, columns4: columns / 4, valid: validColumns },
      workgroups: rows,
    });
    return x;
  },
});
