import type { Tensor } from '@tensorflow/tfjs-core';
import { defineProgram } from '../../dispatch/program.js';
import { getRuntime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import { ShapeError } from '../shape-error.js';
import sampleWgsl from './sample.wgsl';
import type { DeformableAttentionVariant } from './select.js';
import { tunedDeformableAttention } from './tuning.js';

export { type DeformableAttentionVariant, selectDeformableAttention } from './select.js';

/** The geometry of a deformable attention. */
export interface DeformableAttentionShape {
  /** Sizes of the maps that the values consist of, in their order; 8 at most. */
  levels: readonly { readonly height: number; readonly width: number }[];
  heads: number;
  /** Sampling points of a head on each level, a multiple of 4. */
  points: number;
}

/** Options of `deformableAttention`. */
export interface DeformableAttentionOptions {
  /** Forces a kernel; for tests and benchmarks. */
  variant?: DeformableAttentionVariant;
}

const MAX_LEVELS = 8;
const WORKGROUP = 64;

/**
 * Multi-scale deformable attention (Zhu et al., "Deformable DETR", 2021, eq. 2 and 3) without its linear layers: each
 * head of each query reads a few points of every level of a feature pyramid and sums them, weighted by a softmax over all
 * its points. A point lies at `reference + offset / (width, height)` where references are points, and at
 * `centre + offset / points * (w, h) / 2` where they are boxes. Values are interpolated bilinearly between the centres of
 * pixels, and are zero outside of the map.
 *
 * @param value float32 [S, heads * d], the levels one after the other, each row by row; d a multiple of 4.
 * @param projection float32 [Q, heads * levels * points * 3]: the offsets [heads, levels, points, (x, y)] in pixels of the
 *   level, then the logits of the weights [heads, levels, points].
 * @param reference float32 [Q, 2], points (x, y), or [Q, 4], boxes (centre x, centre y, w, h), as shares of the image.
 * @returns float32 [Q, heads * d].
 * @throws ShapeError when the operands do not fit.
 */
export function deformableAttention(
  value: Tensor,
  projection: Tensor,
  reference: Tensor,
  shape: DeformableAttentionShape,
  options: DeformableAttentionOptions = {},
): Tensor {
  const { levels, heads, points } = shape;
  const runtime = getRuntime();
  const pixels = levels.reduce((sum, { height, width }) => sum + height * width, 0);
  const [queries, columns] = projection.shape as [number, number];
  const channels = value.shape[1] ?? 0;
  if (levels.length < 1 || levels.length > MAX_LEVELS || points < 4 || points % 4 !== 0) {
    throw new ShapeError('deformableAttention', `1 to ${MAX_LEVELS} levels and a multiple of 4 points,`, { value });
  }
  if (value.rank !== 2 || value.shape[0] !== pixels || channels === 0 || channels % (4 * heads) !== 0) {
    throw new ShapeError('deformableAttention', `values of ${pixels} pixels and ${heads} heads of a multiple of 4`, {
      value,
    });
  }
  const samples = heads * levels.length * points;
  if (projection.rank !== 2 || columns !== 3 * samples) {
    throw new ShapeError('deformableAttention', `a projection of ${3 * samples} columns`, { projection });
  }
  const coordinates = reference.shape[1] ?? 0;
  if (reference.rank !== 2 || reference.shape[0] !== queries || (coordinates !== 2 && coordinates !== 4)) {
    throw new ShapeError('deformableAttention', `references of [${queries}, 2] or [${queries}, 4]`, { reference });
  }
  const out = runtime.allocate([queries, channels]);
  const head4 = channels / heads / 4;
  const size = { queries, heads, headSize: channels / heads, levels: levels.length, points, pixels };
  const tuned = { ...size, boxes: coordinates === 4 };
  const args: Parameters<typeof deformableAttention> = [value, projection, reference, shape, options];
  const variant = options.variant ?? runtime.chooser.choose(tunedDeformableAttention, tuned, deformableAttention, args);
  const vectors = variant === 'head' ? head4 : 1;
  const invocations = (queries * heads * head4) / vectors;
  const table = new Array<number>(4 * MAX_LEVELS).fill(0);
  let start = 0;
  for (const [l, { height, width }] of levels.entries()) {
    table.splice(4 * l, 3, height, width, start);
    start += height * width;
  }
  runtime.launch({
    program: defineProgram({
      name: `deformable-attention/${variant}`,
      template: sampleWgsl,
      params: {
        MAX_LEVELS,
        POINTS4: points / 4,
        VECTORS: vectors,
        BOXES: coordinates === 4,
        WORKGROUP,
      },
      buffers: ['read', 'read', 'read', 'write'],
    }),
    inputs: [value, projection, reference],
    outputs: [out],
    uniforms: [queries, heads, head4, levels.length, ...table],
    workgroups: foldWorkgroups(Math.ceil(invocations / WORKGROUP)),
  });
  return out;
}
