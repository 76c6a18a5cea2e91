import type { TunedOp } from '../../tuning/tuned-op.js';
import sampleWgsl from './sample.wgsl';
import { type DeformableAttentionVariant, selectDeformableAttention } from './select.js';

interface TunedDeformableShape {
  queries: number;
  heads: number;
  headSize: number;
  levels: number;
  points: number;
  /** Of all levels. */
  pixels: number;
  boxes: boolean;
}

export const tunedDeformableAttention: TunedOp<TunedDeformableShape, DeformableAttentionVariant> = {
  name: 'deformable-attention',
  sources: [sampleWgsl],
  variants: () => ['channel', 'head'],
  select: (_, adapter) => selectDeformableAttention(adapter),
  work: ({ queries, heads, headSize, levels, points, pixels }) => ({
    flops: 8 * queries * heads * levels * points * headSize,
    bytes: 4 * heads * (queries * (headSize + 3 * levels * points) + pixels * headSize),
  }),
};
