import { add, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { PositionedCrossAttention, PositionedSelfAttention } from '../nn/attention.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { FFN_HIDDEN, HEADS, HIDDEN } from './config.js';
import { DeformableAttention } from './deformable.js';
import type { Streams } from './fusion.js';
import { FeedForward } from './layers.js';
import type { LevelSize } from './types.js';

/** What the queries look at. */
export interface DecoderMemory extends Streams {
  levels: readonly LevelSize[];
  /** -1e30 for text tokens that may not be looked at, else 0: float32 [1, L]; missing where all may. */
  textMask?: Tensor;
}

/** A decoder layer: the queries look at each other, at the text and at the image (GroundingDINO, `transformer.py`). */
export class DecoderLayer {
  private constructor(
    private readonly selfAttn: PositionedSelfAttention,
    private readonly norm2: LayerNorm,
    private readonly caText: PositionedCrossAttention,
    private readonly catextNorm: LayerNorm,
    private readonly crossAttn: DeformableAttention,
    private readonly norm1: LayerNorm,
    private readonly ffn: FeedForward,
  ) {}

  static async load(source: LayerSource, index: number): Promise<DecoderLayer> {
    const key = `transformer.decoder.layers.${index}`;
    return new DecoderLayer(
      await PositionedSelfAttention.load(source, `${key}.self_attn`, HIDDEN, HEADS),
      await LayerNorm.load(source, `${key}.norm2`, HIDDEN),
      await PositionedCrossAttention.load(source, `${key}.ca_text`, HIDDEN, HEADS),
      await LayerNorm.load(source, `${key}.catext_norm`, HIDDEN),
      await DeformableAttention.load(source, `${key}.cross_attn`),
      await LayerNorm.load(source, `${key}.norm1`, HIDDEN),
      await FeedForward.load(source, key, FFN_HIDDEN, 'norm3'),
    );
  }

  /**
   * @param queries float32 [Q, 256].
   * @param positions Codes of their boxes, float32 [Q, 256].
   * @param boxes float32 [Q, 4], shares of the image.
   * @returns float32 [Q, 256].
   */
  forward(queries: Tensor, positions: Tensor, boxes: Tensor, memory: DecoderMemory): Tensor {
    const { image, text, levels, textMask: mask } = memory;
    return tidy(() => {
      const positioned = (x: Tensor) => add(x, positions);
      const toSelf = this.selfAttn.forward({ x: queries, positioned: positioned(queries) });
      const afterSelf = this.norm2.forward(toSelf);
      const toText = this.caText.forward({ x: afterSelf, positioned: positioned(afterSelf), memory: text, mask });
      const afterText = this.catextNorm.forward(toText);
      const toImage = this.crossAttn.forward(positioned(afterText), boxes, image, levels, afterText);
      return this.ffn.forward(this.norm1.forward(toImage));
    });
  }
}
