import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram, f32 } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import activationWgsl from '../gemm/activation.wgsl';
import type { Activation } from '../gemm/matmul-program.js';
import { ShapeError } from '../shape-error.js';
import applyWgsl from './apply.wgsl';
import mergeWgsl from './merge.wgsl';
import momentsWgsl from './moments.wgsl';
import { planGroupNorm } from './select.js';

export { type GroupNormPlan, planGroupNorm } from './select.js';

/** Options of `groupNorm`. */
export interface GroupNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  activation?: Activation;
}

/** Positions an invocation of the last pass works through. */
const APPLY_POSITIONS = 16;

/**
 * Group normalisation of one image over all positions and the channels of a group,
 * `activation((x - mean) / sqrt(variance + eps) * weight + bias)` with the biased variance. Mean and variance come from
 * Welford's recurrence over chunks, merged pairwise, so that a large mean costs no accuracy.
 * Wu and He, "Group Normalization" (2018); Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for
 * Computing Sample Variances" (1979).
 *
 * @param x float32 [..., C]: an image [H, W, C] or tokens [T, C].
 * @param weight float32 [C].
 * @param bias float32 [C].
 * @param groups divides C into groups of a multiple of 4 channels.
 * @returns float32, shaped like `x`.
 * @throws ShapeError when the operands do not fit or the channels of a group are not a multiple of 4.
 */
export function groupNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  groups: number,
  options: GroupNormOptions = {},
): Tensor {
  const { eps = 1e-5, activation = 'none' } = options;
  const runtime = getRuntime();
  const channels = x.shape.at(-1) ?? 0;
  if (channels === 0 || channels % (4 * groups) !== 0) {
    throw new ShapeError('groupNorm', `channels in ${groups} group(s), each a multiple of 4`, { x });
  }
  if (weight.size !== channels || bias.size !== channels) {
    throw new ShapeError('groupNorm', `weight and bias of ${channels}`, { x, weight, bias });
  }
  const out = runtime.allocate(x.shape);
  const positions = x.size / channels;
  if (positions === 0) return out;
  const { chunk, chunks } = planGroupNorm(positions);
  const c4 = channels / 4;
  const group4 = c4 / groups;
  const moments = runtime.allocate([chunks, c4, 2]);
  const statistics = runtime.allocate([groups, 2]);
  runtime.launch({
    program: defineProgram({ name: 'group-norm/moments', template: momentsWgsl, buffers: ['read', 'write'] }),
    inputs: [x],
    outputs: [moments],
    uniforms: [positions, c4, chunk, chunks],
    workgroups: [Math.ceil((c4 * chunks) / 64)],
  });
  runtime.launch({
    program: defineProgram({ name: 'group-norm/merge', template: mergeWgsl, buffers: ['read', 'write'] }),
    inputs: [moments],
    outputs: [statistics],
    uniforms: [positions, c4, chunk, chunks, group4, f32(eps)],
    workgroups: [groups],
  });
  runtime.launch({
    program: defineProgram({
      name: 'group-norm/apply',
      template: applyWgsl,
      params: { ACTIVATION: activation, POSITIONS: APPLY_POSITIONS },
      includes: { activation: activationWgsl },
      buffers: ['read', 'read', 'read', 'read', 'write'],
    }),
    inputs: [x, statistics, weight, bias],
    outputs: [out],
    uniforms: [positions, c4, group4],
    workgroups: foldWorkgroups(Math.ceil((Math.ceil(positions / APPLY_POSITIONS) * c4) / 64)),
  });
  moments.dispose();
  statistics.dispose();
  return out;
}
