import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { ACTIVATION_INCLUDES, type Activation, activation } from '../../families/activation/index.js';
import { fields, float32, number, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import applyWgsl from './apply.wgsl';
import mergeWgsl from './merge.wgsl';
import momentsWgsl from './moments.wgsl';

/** Options of `groupNorm`. */
export interface GroupNormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number | undefined;
  activation?: Activation | undefined;
}

/** Positions that an invocation of the last pass works through. */
const APPLY_POSITIONS = 16;

const moments = defineKernel({ name: 'group-norm/moments', template: momentsWgsl });
const merge = defineKernel({ name: 'group-norm/merge', template: mergeWgsl });
const apply = defineKernel({
  name: 'group-norm/apply',
  template: applyWgsl,
  includes: ACTIVATION_INCLUDES,
  params: { POSITIONS: APPLY_POSITIONS },
});

/** How positions are cut into chunks for the first pass. */
export interface GroupNormPlan {
  /** Positions of a chunk; the last one may have fewer. */
  chunk: number;
  chunks: number;
}

/** Chunks short enough to fill a GPU, long enough that their merging costs nothing: at most 256, of at least 16. */
export function planGroupNorm(positions: number): GroupNormPlan {
  const chunk = Math.max(16, Math.ceil(positions / 256));
  return { chunk, chunks: Math.ceil(positions / chunk) };
}

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
export const groupNorm = defineOp({
  name: 'group-norm',
  takes: {
    x: float32,
    weight: float32,
    bias: float32,
    groups: number,
    options: fields<GroupNormOptions>({ eps: optional(number), activation }),
  },
  kernels: [moments, merge, apply],
  run(call, x: Tensor, weight: Tensor, bias: Tensor, groups: number, options: GroupNormOptions = {}): Tensor {
    const { eps = 1e-5, activation = 'none' } = options;
    const channels = x.shape.at(-1) ?? 0;
    if (channels === 0 || channels % (4 * groups) !== 0) {
      throw call.wrong(`channels in ${groups} group(s), each a multiple of 4`, { x });
    }
    if (weight.size !== channels || bias.size !== channels) {
      throw call.wrong(`weight and bias of ${channels}`, { x, weight, bias });
    }
    const out = call.allocate(x.shape);
    const positions = x.size / channels;
    if (positions === 0) return out;
    const { chunk, chunks } = planGroupNorm(positions);
    const c4 = channels / 4;
    const group4 = c4 / groups;
    const parts = call.allocate([chunks, c4, 2]);
    const statistics = call.allocate([groups, 2]);
    call.launch(moments, {
      tensors: { x, moments: parts },
      uniforms: { positions, c4, chunk, chunks },
      invocations: c4 * chunks,
    });
    call.launch(merge, {
      tensors: { moments: parts, statistics },
      uniforms: { positions, c4, chunk, chunks, group4, eps },
      workgroups: [groups],
    });
    call.launch(apply, {
      params: { ACTIVATION: activation },
      tensors: { x, statistics, weight, bias, out },
      uniforms: { positions, c4, group4 },
      invocations: Math.ceil(positions / APPLY_POSITIONS) * c4,
    });
    parts.dispose();
    statistics.dispose();
    return out;
  },
});
