import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { ACTIVATION_INCLUDES, type Activation, activation } from '../../families/activation/index.js';
import { fields, float32, number, optional, type VariantOptions, variant } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import rowWgsl from './row.wgsl';
import workgroupWgsl from './workgroup.wgsl';

/** `row`: an invocation a row, no barriers. `workgroup`: a workgroup a row, with a tree reduction. */
export type LayerNormVariant = 'row' | 'workgroup';

/** Options of `layerNorm`. */
export interface LayerNormOptions extends VariantOptions<LayerNormVariant> {
  /** Equal parts of the channels that are normalised separately, such as a pair of streams side by side. 1 by default. */
  groups?: number | undefined;
  /** Added to the variance; 1e-5 by default. */
  eps?: number | undefined;
  /** Applied to the result; none by default. */
  activation?: Activation | undefined;
}

const kernels = {
  row: defineKernel({ name: 'layer-norm/row', template: rowWgsl, includes: ACTIVATION_INCLUDES }),
  workgroup: defineKernel({ name: 'layer-norm/workgroup', template: workgroupWgsl, includes: ACTIVATION_INCLUDES }),
};

/**
 * Layer normalisation over the channels of each token (or each group of channels),
 * `(x - mean) / sqrt(variance + eps) * weight + bias` with the biased variance; mean and variance by the corrected
 * two-pass algorithm, so that a large mean costs no accuracy. Ba, Kiros and Hinton, "Layer Normalization" (2016).
 *
 * @param x float32 [..., groups * C], C a multiple of 4.
 * @param weight float32 [groups * C].
 * @param bias float32 [groups * C].
 * @returns float32, shaped like `x`.
 * @throws ShapeError when the operands do not fit or C is not a multiple of 4.
 */
export const layerNorm = defineOp({
  name: 'layer-norm',
  takes: {
    x: float32,
    weight: float32,
    bias: float32,
    options: fields<LayerNormOptions>({ groups: optional(number), eps: optional(number), activation, variant }),
  },
  kernels: Object.values(kernels),
  supported: (_: { rows: number; channels: number }): readonly LayerNormVariant[] => ['row', 'workgroup'],
  // A barrier costs a software rasteriser more than reading a whole row.
  select: (_, { kind }) => (kind === 'software' ? 'row' : 'workgroup'),
  work: ({ rows, channels }) => ({ flops: 8 * rows * channels, bytes: 8 * rows * channels }),
  run(call, x: Tensor, weight: Tensor, bias: Tensor, options: LayerNormOptions = {}): Tensor {
    const { groups = 1, eps = 1e-5, activation = 'none' } = options;
    const width = x.shape.at(-1) ?? 0;
    if (width === 0 || width % (4 * groups) !== 0) {
      throw call.wrong(`${groups} group(s) of channels, each a multiple of 4`, { x });
    }
    if (weight.size !== width || bias.size !== width) {
      throw call.wrong(`weight and bias of ${width}`, { x, weight, bias });
    }
    const out = call.allocate(x.shape);
    const rows = (x.size / width) * groups;
    const channels = width / groups;
    const variant = call.choose({ rows, channels });
    call.launch(kernels[variant], {
      params: { ACTIVATION: activation },
      tensors: { x, weight, bias, out },
      uniforms: { rows, c4: channels / 4, groups, eps },
      workgroups: variant === 'row' ? Math.ceil(rows / 32) : rows,
    });
    return out;
  },
});
