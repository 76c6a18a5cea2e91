import type { TunedOp } from '../../tuning/tuned-op.js';
import directWgsl from './direct.wgsl';
import fewKeysWgsl from './few-keys.wgsl';
import flashWgsl from './flash.wgsl';
import mergeWgsl from './merge.wgsl';
import operandsWgsl from './operands.wgsl';
import paramsWgsl from './params.wgsl';
import relativeWgsl from './relative.wgsl';
import relativeBroadcastWgsl from './relative-broadcast.wgsl';
import {
  type MultiHeadAttentionVariant,
  selectMultiHeadAttention,
  supportedMultiHeadAttentionVariants,
} from './select.js';
import splitWgsl from './split.wgsl';
import tiledWgsl from './tiled.wgsl';

/** What the attention with relative positions has in common with that within windows. */
export const RELATIVE_ATTENTION_SOURCES: readonly string[] = [
  flashWgsl,
  operandsWgsl,
  relativeWgsl,
  relativeBroadcastWgsl,
];

interface TunedAttentionShape {
  batch: number;
  heads: number;
  queries: number;
  keys: number;
  headSize: number;
  mask: boolean;
  relative: boolean;
}

const size = ({ queries, keys, headSize, mask, relative }: TunedAttentionShape) => ({
  queries,
  keys,
  headSize,
  plain: !mask && !relative,
});

export const tunedMultiHeadAttention: TunedOp<TunedAttentionShape, MultiHeadAttentionVariant> = {
  name: 'multi-head-attention',
  sources: [...RELATIVE_ATTENTION_SOURCES, directWgsl, fewKeysWgsl, mergeWgsl, paramsWgsl, splitWgsl, tiledWgsl],
  variants: (shape, adapter) => supportedMultiHeadAttentionVariants(adapter, size(shape)),
  select: (shape, adapter) => selectMultiHeadAttention(size(shape), adapter),
  work: ({ batch, heads, queries, keys, headSize }) => ({
    flops: 4 * batch * heads * queries * keys * headSize,
    bytes: 8 * batch * heads * (queries + keys) * headSize,
  }),
};
