import type { TunedOp } from '../../tuning/tuned-op.js';
import scoresWgsl from './scores.wgsl';
import { type LocalAttentionVariant, selectLocalAttention, supportedLocalAttentionVariants } from './select.js';
import weighWgsl from './weigh.wgsl';

interface TunedLocalAttentionShape {
  height: number;
  width: number;
  window: number;
  /** Channels of queries and keys. */
  depth: number;
  /** Channels of all values together. */
  channels: number;
}

export const tunedLocalAttention: TunedOp<TunedLocalAttentionShape, LocalAttentionVariant> = {
  name: 'local-attention',
  sources: [scoresWgsl, weighWgsl],
  variants: (_, adapter) => supportedLocalAttentionVariants(adapter),
  select: (_, adapter) => selectLocalAttention(adapter),
  work: ({ height, width, window, depth, channels }) => ({
    flops: 2 * height * width * window ** 2 * (depth + channels),
    bytes: 4 * height * width * (2 * depth + window ** 2 + 2 * channels),
  }),
};
