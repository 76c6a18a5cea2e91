import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { anything, float32, number, record, type VariantOptions, variantOptions } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import sampleWgsl from './sample.wgsl';

/**
 * `channel`: an invocation for 4 channels of a head of a query, so that neighbours read neighbouring addresses.
 * `head`: an invocation for a head of a query, which computes where the points lie once for all its channels.
 */
export type DeformableAttentionVariant = 'channel' | 'head';

/** The geometry of a deformable attention. */
export interface DeformableAttentionShape {
  /** Sizes of the maps that the values consist of, in their order; 8 at most. */
  levels: readonly { readonly height: number; readonly width: number }[];
  heads: number;
  /** Sampling points of a head on each level, a multiple of 4. */
  points: number;
}

const MAX_LEVELS = 8;

const params = { MAX_LEVELS, WORKGROUP: 64 };
const kernels = {
  channel: defineKernel({ name: 'deformable-attention/channel', template: sampleWgsl, params }),
  head: defineKernel({ name: 'deformable-attention/head', template: sampleWgsl, params }),
};

/** What the choice of a kernel depends on. */
interface DeformableShape {
  queries: number;
  heads: number;
  headSize: number;
  levels: number;
  points: number;
  /** Of all levels. */
  pixels: number;
  boxes: boolean;
}

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
export const deformableAttention = defineOp({
  name: 'deformable-attention',
  takes: {
    value: float32,
    projection: float32,
    reference: float32,
    shape: record<DeformableAttentionShape>({ levels: anything, heads: number, points: number }),
    options: variantOptions,
  },
  kernels: Object.values(kernels),
  supported: (_: DeformableShape): readonly DeformableAttentionVariant[] => ['channel', 'head'],
  // A GPU joins neighbouring loads; a software rasteriser pays for each, and for the arithmetic.
  select: (_, { kind }) => (kind === 'software' ? 'head' : 'channel'),
  work: ({ queries, heads, headSize, levels, points, pixels }) => ({
    flops: 8 * queries * heads * levels * points * headSize,
    bytes: 4 * heads * (queries * (headSize + 3 * levels * points) + pixels * headSize),
  }),
  run(
    call,
    value: Tensor,
    projection: Tensor,
    reference: Tensor,
    shape: DeformableAttentionShape,
    _options: VariantOptions<DeformableAttentionVariant> = {},
  ): Tensor {
    const { levels, heads, points } = shape;
    const pixels = levels.reduce((sum, { height, width }) => sum + height * width, 0);
    const [queries, columns] = projection.shape as [number, number];
    const channels = value.shape[1] ?? 0;
    if (levels.length < 1 || levels.length > MAX_LEVELS || points < 4 || points % 4 !== 0) {
      throw call.wrong(`1 to ${MAX_LEVELS} levels and a multiple of 4 points,`, { value });
    }
    if (value.rank !== 2 || value.shape[0] !== pixels || channels === 0 || channels % (4 * heads) !== 0) {
      throw call.wrong(`values of ${pixels} pixels and ${heads} heads of a multiple of 4`, { value });
    }
    const samples = heads * levels.length * points;
    if (projection.rank !== 2 || columns !== 3 * samples) {
      throw call.wrong(`a projection of ${3 * samples} columns`, { projection });
    }
    const coordinates = reference.shape[1] ?? 0;
    if (reference.rank !== 2 || reference.shape[0] !== queries || (coordinates !== 2 && coordinates !== 4)) {
      throw call.wrong(`references of [${queries}, 2] or [${queries}, 4]`, { reference });
    }
    const out = call.allocate([queries, channels]);
    const headSize = channels / heads;
    const head4 = headSize / 4;
    const boxes = coordinates === 4;
    const variant = call.choose({ queries, heads, headSize, levels: levels.length, points, pixels, boxes });
    const vectors = variant === 'head' ? head4 : 1;
    const table = new Array<number>(4 * MAX_LEVELS).fill(0);
    let start = 0;
    for (const [l, { height, width }] of levels.entries()) {
      table.splice(4 * l, 3, height, width, start);
      start += height * width;
    }
    call.launch(kernels[variant], {
      params: { POINTS4: points / 4, VECTORS: vectors, BOXES: boxes },
      tensors: { value, projection, reference, out },
      uniforms: { queries, heads, head4, levels: levels.length, table },
      invocations: (queries * heads * head4) / vectors,
    });
    return out;
  },
});
