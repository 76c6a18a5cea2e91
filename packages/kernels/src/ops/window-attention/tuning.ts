import type { TunedOp } from '../../tuning/tuned-op.js';
import { RELATIVE_ATTENTION_SOURCES } from '../multi-head-attention/tuning.js';
import { selectWindowAttention, supportedWindowAttentionVariants, type WindowAttentionVariant } from './select.js';
import windowWgsl from './window.wgsl';

export interface TunedWindowShape {
  height: number;
  width: number;
  window: number;
  shift: number;
  heads: number;
  headSize: number;
}

export const windowAttentionWork = ({ height, width, window, heads, headSize }: TunedWindowShape) => ({
  flops: 4 * height * width * window ** 2 * heads * headSize,
  bytes: 16 * height * width * heads * headSize,
});

export const tunedWindowAttention: TunedOp<TunedWindowShape, WindowAttentionVariant> = {
  name: 'window-attention',
  sources: [windowWgsl],
  variants: (_, adapter) => supportedWindowAttentionVariants(adapter),
  select: (_, adapter) => selectWindowAttention(adapter),
  work: windowAttentionWork,
};

/** What attention within windows with relative positions is compiled from. */
export const RELATIVE_WINDOW_SOURCES: readonly string[] = [windowWgsl, ...RELATIVE_ATTENTION_SOURCES];
