import { type Tensor, tensor1d, tensor2d } from '@tensorflow/tfjs-core';
import { FUSION_HEADS, HIDDEN } from './config.js';
import { textPositions } from './positions.js';
import type { TextFeatures } from './types.js';

/** Added to scores that must not count; finite, since WGSL may assume that there are no infinities. */
const MASKED = -1e30;

/** What the network is told of a caption besides its features. */
export interface CaptionInputs {
  /** Sine codes of the positions, float32 [L, 256]. */
  positions: Tensor;
  /** Added to the logits of the text's self-attention, float32 [L, L]. */
  selfMask: Tensor;
  /** Added to the logits of tokens and queries, float32 [Lp]: -1e30 for tokens that do not count, and up to a multiple of 4. */
  bias: Tensor;
  /**
   * -1e30 for tokens that the image may not look at, else 0: float32 [L, 4], a column a head of the fusion, and [1, L] for the
   * decoder; missing where it may look at all.
   */
  fusionMask?: Tensor;
  crossMask?: Tensor;
}

type Values = Record<keyof CaptionInputs, Float32Array<ArrayBuffer> | undefined>;

/** A caption is asked of many images. */
const known = new WeakMap<TextFeatures, Values>();

/** The caller disposes them. */
export function captionInputs(text: TextFeatures): CaptionInputs {
  let values = known.get(text);
  if (!values) known.set(text, (values = valuesOf(text)));
  const length = text.tokenMask.length;
  const { positions, selfMask, bias, fusionMask, crossMask } = values;
  return {
    positions: tensor2d(positions!, [length, HIDDEN]),
    selfMask: tensor2d(selfMask!, [length, length]),
    bias: tensor1d(bias!),
    ...(fusionMask && { fusionMask: tensor2d(fusionMask, [length, FUSION_HEADS]) }),
    ...(crossMask && { crossMask: tensor2d(crossMask, [1, length]) }),
  };
}

function valuesOf({ mask, positionIds, tokenMask }: TextFeatures): Values {
  const length = tokenMask.length;
  const additive = (size: number, allowed: (i: number) => number | undefined) =>
    Float32Array.from({ length: size }, (_, i) => (allowed(i) ? 0 : MASKED));
  const all = tokenMask.every((one) => one === 1);
  return {
    positions: textPositions(positionIds),
    selfMask: additive(mask.length, (i) => mask[i]),
    bias: additive(Math.ceil(length / 4) * 4, (i) => tokenMask[i]),
    fusionMask: all ? undefined : additive(FUSION_HEADS * length, (i) => tokenMask[Math.floor(i / FUSION_HEADS)]),
    crossMask: all ? undefined : additive(length, (i) => tokenMask[i]),
  };
}
