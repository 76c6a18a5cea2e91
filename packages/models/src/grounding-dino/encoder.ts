import { add, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { PositionedSelfAttention } from '../nn/attention.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import type { CaptionInputs } from './caption-inputs.js';
import { FFN_HIDDEN, HIDDEN, TEXT_FFN_HIDDEN, TEXT_HEADS } from './config.js';
import { DeformableAttention } from './deformable.js';
import { FusionLayer, type Streams } from './fusion.js';
import { FeedForward } from './layers.js';
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
    private readonly selfAttn: PositionedSelfAttention,
    private readonly norm1: LayerNorm,
    private readonly ffn: FeedForward,
  ) {}

  static async load(source: LayerSource, key: string): Promise<TextLayer> {
    return new TextLayer(
      await PositionedSelfAttention.load(source, `${key}.self_attn`, HIDDEN, TEXT_HEADS),
      await LayerNorm.load(source, `${key}.norm1`, HIDDEN),
      await FeedForward.load(source, key, TEXT_FFN_HIDDEN, 'norm2'),
    );
  }

  /** @param text float32 [L, 256]. */
  forward(text: Tensor, { positions, selfMask: mask }: CaptionInputs): Tensor {
    return tidy(() => {
      const sum = this.selfAttn.forward({ x: text, positioned: add(text, positions), mask });
      return this.ffn.forward(this.norm1.forward(sum));
    });
  }
}

/** Deformable self-attention of the image pyramid (Zhu et al., "Deformable DETR", 2021). */
class ImageLayer {
  private constructor(
    private readonly selfAttn: DeformableAttention,
    private readonly norm1: LayerNorm,
    private readonly ffn: FeedForward,
  ) {}

  static async load(source: LayerSource, key: string): Promise<ImageLayer> {
    return new ImageLayer(
      await DeformableAttention.load(source, `${key}.self_attn`),
      await LayerNorm.load(source, `${key}.norm1`, HIDDEN),
      await FeedForward.load(source, key, FFN_HIDDEN, 'norm2'),
    );
  }

  /** @param image float32 [S, 256]. */
  forward(image: Tensor, { positions, levels, centres }: ImageGeometry): Tensor {
    // Each step frees what it needed: these are the largest tensors of the model.
    const normal = tidy(() => {
      const sum = tidy(() => this.selfAttn.forward(add(image, positions), centres, image, levels, image));
      return this.norm1.forward(sum);
    });
    const out = this.ffn.forward(normal);
    normal.dispose();
    return out;
  }
}

/** A layer of the feature enhancer: image and text look at each other, then each at itself. */
export class EncoderLayer {
  private constructor(
    private readonly fusion: FusionLayer,
    private readonly text: TextLayer,
    private readonly image: ImageLayer,
  ) {}

  static async load(source: LayerSource, index: number): Promise<EncoderLayer> {
    const key = 'transformer.encoder';
    return new EncoderLayer(
      await FusionLayer.load(source, `${key}.fusion_layers.${index}`),
      await TextLayer.load(source, `${key}.text_layers.${index}`),
      await ImageLayer.load(source, `${key}.layers.${index}`),
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
}
