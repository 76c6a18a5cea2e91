import type { OpSet } from '@samtrack/kernels';
import { add, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, loadAffine } from '../nn/parameters.js';
import type { CaptionInputs } from './caption-inputs.js';
import { FFN_HIDDEN, HIDDEN, TEXT_FFN_HIDDEN, TEXT_HEADS } from './config.js';
import { DeformableAttention } from './deformable.js';
import { FusionLayer, type Streams } from './fusion.js';
import { disposeParameters, feedForward, loadFeedForward, loadSelfAttention, selfAttention } from './layers.js';
import type { LevelSize } from './types.js';

/** What the encoder needs to know of an image besides its features. */
export interface ImageGeometry {
  readonly levels: readonly LevelSize[];
  /** Sine codes of the positions plus level embeddings, float32 [S, 256]. */
  readonly positions: Tensor;
  /** Of the tokens' cells as shares of the image, float32 [S, 2]. */
  readonly centres: Tensor;
}

/** Self-attention of the text within its sub-sentences (GroundingDINO, `transformer_vanilla.py`). */
class TextLayer {
  private constructor(
    private readonly ops: OpSet,
    private readonly attention: Awaited<ReturnType<typeof loadSelfAttention>>,
    private readonly norm: Affine,
    private readonly ffn: Awaited<ReturnType<typeof loadFeedForward>>,
  ) {}

  static async load(weights: WeightReader, key: string, ops: OpSet): Promise<TextLayer> {
    return new TextLayer(
      ops,
      await loadSelfAttention(weights, `${key}.self_attn`),
      await loadAffine(weights, [`${key}.norm1`], HIDDEN),
      await loadFeedForward(weights, key, TEXT_FFN_HIDDEN, 'norm2'),
    );
  }

  /** @param text float32 [L, 256]. */
  forward(text: Tensor, { positions, selfMask }: CaptionInputs): Tensor {
    const { ops, attention, norm, ffn } = this;
    return tidy(() => {
      const positioned = add(text, positions);
      const sum = selfAttention(ops, attention, { x: text, positioned, heads: TEXT_HEADS, mask: selfMask });
      return feedForward(ops, ffn, ops.layerNorm(sum, norm.weight, norm.bias));
    });
  }

  dispose(): void {
    disposeParameters(this.attention, { norm: this.norm }, this.ffn);
  }
}

/** Deformable self-attention of the image pyramid (Zhu et al., "Deformable DETR", 2021). */
class ImageLayer {
  private constructor(
    private readonly ops: OpSet,
    private readonly attention: DeformableAttention,
    private readonly norm: Affine,
    private readonly ffn: Awaited<ReturnType<typeof loadFeedForward>>,
  ) {}

  static async load(weights: WeightReader, key: string, ops: OpSet): Promise<ImageLayer> {
    return new ImageLayer(
      ops,
      await DeformableAttention.load(weights, `${key}.self_attn`, ops),
      await loadAffine(weights, [`${key}.norm1`], HIDDEN),
      await loadFeedForward(weights, key, FFN_HIDDEN, 'norm2'),
    );
  }

  /** @param image float32 [S, 256]. */
  forward(image: Tensor, { positions, levels, centres }: ImageGeometry): Tensor {
    const { ops, attention, norm, ffn } = this;
    // Each step frees what it needed: these are the largest tensors of the model.
    const normal = tidy(() => {
      const sum = tidy(() => attention.forward(add(image, positions), centres, image, levels, image));
      return ops.layerNorm(sum, norm.weight, norm.bias);
    });
    const out = feedForward(ops, ffn, normal);
    normal.dispose();
    return out;
  }

  dispose(): void {
    this.attention.dispose();
    disposeParameters({ norm: this.norm }, this.ffn);
  }
}

/** A layer of the feature enhancer: image and text look at each other, then each at itself. */
export class EncoderLayer {
  private constructor(
    private readonly fusion: FusionLayer,
    private readonly text: TextLayer,
    private readonly image: ImageLayer,
  ) {}

  static async load(weights: WeightReader, index: number, ops: OpSet): Promise<EncoderLayer> {
    const key = 'transformer.encoder';
    return new EncoderLayer(
      await FusionLayer.load(weights, `${key}.fusion_layers.${index}`, ops),
      await TextLayer.load(weights, `${key}.text_layers.${index}`, ops),
      await ImageLayer.load(weights, `${key}.layers.${index}`, ops),
    );
  }

  /** @returns New streams; the old ones stay the caller's. */
  forward(streams: Streams, image: ImageGeometry, text: CaptionInputs): Streams {
    const fused = this.fusion.forward(streams, text.fusionMask);
    const out = {
      text: this.text.forward(fused.text, text),
      image: this.image.forward(fused.image, image),
    };
    fused.image.dispose();
    fused.text.dispose();
    return out;
  }

  dispose(): void {
    for (const layer of [this.fusion, this.text, this.image]) layer.dispose();
  }
}
