import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { EMBEDDING_CHANNELS, EMBEDDING_STRIDE } from './image-encoder.js';
import { type FramePrompt, PointEmbedder, type SparseOptions } from './point-embedder.js';

/** Sides of the mask input and of the mask logits, in positions of the embedding. */
export const LOW_RES_SCALE = 4;

/** Epsilon of the norms over the channels of a map (segment-anything, `LayerNorm2d`). */
export const MAP_NORM_EPS = 1e-6;

/** A convolution that halves a map, its normalisation, and GELU. */
export class Downscaling {
  private constructor(
    private readonly conv: Conv2d,
    private readonly norm: LayerNorm,
  ) {}

  /** Reads layers `index` and `index + 1` of a sequence. */
  static async load(source: LayerSource, key: string, index: number, inputs: number, outputs: number) {
    return new Downscaling(
      await Conv2d.load(source, `${key}.${index}`, inputs, outputs, 2, { stride: 2 }),
      await LayerNorm.load(source, `${key}.${index + 1}`, outputs, MAP_NORM_EPS),
    );
  }

  /** @param x float32 [2 h, 2 w, in]. @returns float32 [h, w, out]. */
  forward(x: Tensor): Tensor {
    return tidy(() => this.norm.forward(this.conv.forward(x), 'gelu'));
  }
}

/** Embeds points, boxes and masks (segment-anything, `modeling/prompt_encoder.py`). */
export class PromptEncoder {
  private constructor(
    private readonly points: PointEmbedder,
    /** Positional encoding of the embedding's grid, float32 [side^2, 256]. */
    readonly densePe: Tensor,
    /** What stands for a mask where there is none, float32 [256]. */
    readonly noMaskEmbed: Tensor,
    private readonly maskDownscaling: readonly [Downscaling, Downscaling, Linear],
  ) {}

  static async load(source: LayerSource, imageSize: number, key = 'prompt_encoder'): Promise<PromptEncoder> {
    const { weights } = source;
    const points = await PointEmbedder.load(weights, key, { imageSize, channels: EMBEDDING_CHANNELS });
    const side = imageSize / EMBEDDING_STRIDE;
    const noMask = await weights.take(`${key}.no_mask_embed.weight`, [1, EMBEDDING_CHANNELS]);
    const down = `${key}.mask_downscaling`;
    return new PromptEncoder(
      points,
      weights.own(tensor(points.grid(side), [side * side, EMBEDDING_CHANNELS])),
      weights.own(tensor(noMask, [EMBEDDING_CHANNELS])),
      [
        await Downscaling.load(source, down, 0, 1, 4),
        await Downscaling.load(source, down, 3, 4, 16),
        await Linear.load(source, `${down}.6`, 16, EMBEDDING_CHANNELS, { pointwise: true }),
      ],
    );
  }

  /** Values that tell one training from another. */
  get identity(): Float32Array {
    return this.points.identity;
  }

  /** Tokens of a prompt's points and box: float32 [tokens, 256], flat. See `PointEmbedder.tokens`. */
  sparse(prompt: FramePrompt, options?: SparseOptions): Float32Array {
    return this.points.tokens(prompt, options);
  }

  /**
   * Embeds masks.
   * @param masks Logits, float32 [B, 4 side, 4 side].
   * @returns float32 [B * side^2, 256].
   */
  dense(masks: Tensor): Tensor {
    const [batch, height, width] = masks.shape as [number, number, number];
    const [half, quarter, last] = this.maskDownscaling;
    return tidy(() => {
      // Masks below each other: the blocks of these convolutions do not overlap, so none reaches into the next mask.
      const map = quarter.forward(half.forward(reshape(masks, [batch * height, width, 1])));
      return last.forward(reshape(map, [(batch * height * width) / LOW_RES_SCALE ** 2, 16]));
    });
  }
}
