import type { TunedOp } from '../../tuning/tuned-op.js';
import columnsWgsl from './columns.wgsl';
import mergeWgsl from './merge.wgsl';
import rowsWgsl from './rows.wgsl';
import { type BiAttentionVariant, selectBiAttention } from './select.js';

interface TunedBiAttentionShape {
  tokens: number;
  /** Keys of all heads. */
  columns: number;
  channels: number;
  /** Channels of the values. */
  width: number;
}

export const tunedBiAttention: TunedOp<TunedBiAttentionShape, BiAttentionVariant> = {
  name: 'bi-attention',
  sources: [columnsWgsl, mergeWgsl, rowsWgsl],
  variants: () => ['row', 'workgroup'],
  select: (_, adapter) => selectBiAttention(adapter),
  work: ({ tokens, columns, channels, width }) => ({
    flops: 2 * tokens * columns * (2 * channels + width),
    bytes: 4 * (tokens * (channels + 2 * width) + columns * (2 * channels + width)),
  }),
};
