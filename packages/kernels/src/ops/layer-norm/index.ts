import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import activationWgsl from '../gemm/activation.wgsl';
import type { Activation } from '../gemm/matmul-program.js';
import { ShapeError } from '../shape-error.js';
import rowWgsl from './row.wgsl';
import type { LayerNormVariant } from './select.js';
import { tunedLayerNorm } from './tuning.js';
import workgroupWgsl from './workgroup.wgsl';

export { type LayerNormVariant, selectLayerNorm } from './select.js';

/** Options of `layerNorm`. */
export interface LayerNormOptions {
  /** Equal parts of the channels that are normalised separately, such as a pair of streams side by side. 1 by default. */
  groups?: number;
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** Applied to the result; none by default. */
  activation?: Activation;
  /** Forces a kernel; for tests and benchmarks. */
  variant?: LayerNormVariant;
}

const TEMPLATES: Record<LayerNormVariant, string> = { row: rowWgsl, workgroup: workgroupWgsl };

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
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, options: LayerNormOptions = {}): Tensor {
  const { groups = 1, eps = 1e-5, activation = 'none' } = options;
  const runtime = getRuntime();
  const width = x.shape.at(-1) ?? 0;
  if (width === 0 || width % (4 * groups) !== 0) {
    throw new ShapeError('layerNorm', `${groups} group(s) of channels, each a multiple of 4`, { x });
  }
  if (weight.size !== width || bias.size !== width) {
    throw new ShapeError('layerNorm', `weight and bias of ${width}`, { x, weight, bias });
  }
  const out = runtime.allocate(x.shape);
  const rows = (x.size / width) * groups;
  const variant =
    options.variant ??
    runtime.chooser.choose(tunedLayerNorm, { rows, channels: width / groups }, layerNorm, [x, weight, bias, options]);
  runtime.launch({
    program: defineProgram({
      name: `layer-norm/${variant}`,
      template: TEMPLATES[variant],
      params: { ACTIVATION: activation },
      includes: { activation: activationWgsl },
      buffers: ['read', 'read', 'read', 'write'],
    }),
    inputs: [x, weight, bias],
    outputs: [out],
    uniforms: [rows, width / groups / 4, groups, f32(eps)],
    workgroups: foldWorkgroups(variant === 'row' ? Math.ceil(rows / 32) : rows),
  });
  return out;
}
