import type { OpSet } from '@samtrack/kernels';
import { add, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, loadAffine } from '../nn/parameters.js';
import { FFN_HIDDEN, HEADS, HIDDEN } from './config.js';
import { DeformableAttention } from './deformable.js';
import type { Streams } from './fusion.js';
import {
  crossAttention,
  disposeParameters,
  feedForward,
  loadCrossAttention,
  loadFeedForward,
  loadSelfAttention,
  selfAttention,
} from './layers.js';
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
    private readonly ops: OpSet,
    private readonly self: Awaited<ReturnType<typeof loadSelfAttention>>,
    private readonly text: Awaited<ReturnType<typeof loadCrossAttention>>,
    private readonly image: DeformableAttention,
    private readonly norms: { self: Affine; text: Affine; image: Affine },
    private readonly ffn: Awaited<ReturnType<typeof loadFeedForward>>,
  ) {}

  static async load(weights: WeightReader, index: number, ops: OpSet): Promise<DecoderLayer> {
    const key = `transformer.decoder.layers.${index}`;
    return new DecoderLayer(
      ops,
      await loadSelfAttention(weights, `${key}.self_attn`),
      await loadCrossAttention(weights, `${key}.ca_text`),
      await DeformableAttention.load(weights, `${key}.cross_attn`, ops),
      {
        self: await loadAffine(weights, [`${key}.norm2`], HIDDEN),
        text: await loadAffine(weights, [`${key}.catext_norm`], HIDDEN),
        image: await loadAffine(weights, [`${key}.norm1`], HIDDEN),
      },
      await loadFeedForward(weights, key, FFN_HIDDEN, 'norm3'),
    );
  }

  /**
   * @param queries float32 [Q, 256].
   * @param positions Codes of their boxes, float32 [Q, 256].
   * @param boxes float32 [Q, 4], shares of the image.
   * @returns float32 [Q, 256].
   */
  forward(queries: Tensor, positions: Tensor, boxes: Tensor, memory: DecoderMemory): Tensor {
    const { ops, self, text, image, norms, ffn } = this;
    const normal = (x: Tensor, { weight, bias }: Affine) => ops.layerNorm(x, weight, bias);
    return tidy(() => {
      const positioned = (x: Tensor) => add(x, positions);
      const toSelf = selfAttention(ops, self, { x: queries, positioned: positioned(queries), heads: HEADS });
      const afterSelf = normal(toSelf, norms.self);
      const toText = crossAttention(ops, text, {
        x: afterSelf,
        positioned: positioned(afterSelf),
        memory: memory.text,
        heads: HEADS,
        mask: memory.textMask,
      });
      const afterText = normal(toText, norms.text);
      const toImage = image.forward(positioned(afterText), boxes, memory.image, memory.levels, afterText);
      return feedForward(ops, ffn, normal(toImage, norms.image));
    });
  }

  dispose(): void {
    this.image.dispose();
    disposeParameters(this.self, this.text, this.norms, this.ffn);
  }
}
