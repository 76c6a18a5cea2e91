import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadConv, loadLinear } from '../nn/parameters.js';
import { EMBEDDING_CHANNELS, EMBEDDING_STRIDE } from './image-encoder.js';
import { type FramePrompt, PointEmbedder, type SparseOptions } from './point-embedder.js';

/** Sides of the mask input and of the mask logits, in positions of the embedding. */
export const LOW_RES_SCALE = 4;

/** Epsilon of the norms over the channels of a map (segment-anything, `LayerNorm2d`). */
export const MAP_NORM_EPS = 1e-6;

/** Embeds points, boxes and masks (segment-anything, `modeling/prompt_encoder.py`). */
export class PromptEncoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly points: PointEmbedder,
    private readonly p: {
      densePe: Tensor;
      noMask: Tensor;
      down1: Linear;
      norm1: Affine;
      down2: Linear;
      norm2: Affine;
      down3: Linear;
    },
  ) {}

  static async load(
    weights: WeightReader,
    imageSize: number,
    ops: OpSet,
    key = 'prompt_encoder',
  ): Promise<PromptEncoder> {
    const points = await PointEmbedder.load(weights, key, { imageSize, channels: EMBEDDING_CHANNELS });
    const side = imageSize / EMBEDDING_STRIDE;
    const noMask = await weights.take(`${key}.no_mask_embed.weight`, [1, EMBEDDING_CHANNELS]);
    return new PromptEncoder(ops, points, {
      densePe: weights.own(tensor(points.grid(side), [side * side, EMBEDDING_CHANNELS])),
      noMask: weights.own(tensor(noMask, [EMBEDDING_CHANNELS])),
      down1: await loadConv(weights, `${key}.mask_downscaling.0`, 1, 4, 2),
      norm1: await loadAffine(weights, [`${key}.mask_downscaling.1`], 4),
      down2: await loadConv(weights, `${key}.mask_downscaling.3`, 4, 16, 2),
      norm2: await loadAffine(weights, [`${key}.mask_downscaling.4`], 16),
      down3: await loadLinear(weights, `${key}.mask_downscaling.6`, 16, EMBEDDING_CHANNELS, { pointwise: true }),
    });
  }

  /** Values that tell one training from another. */
  get identity(): Float32Array {
    return this.points.identity;
  }

  /** Positional encoding of the embedding's grid, float32 [side^2, 256]. */
  get densePe(): Tensor {
    return this.p.densePe;
  }

  /** What stands for a mask where there is none, float32 [256]. */
  get noMask(): Tensor {
    return this.p.noMask;
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
    const { ops, p } = this;
    const [batch, height, width] = masks.shape as [number, number, number];
    return tidy(() => {
      // Masks below each other: the blocks of these convolutions do not overlap, so none reaches into the next mask.
      const image = reshape(masks, [batch * height, width, 1]);
      const half = ops.conv2d(image, p.down1.weight, { bias: p.down1.bias, stride: 2 });
      const norm = (x: Tensor, { weight, bias }: Affine) =>
        ops.layerNorm(x, weight, bias, { eps: MAP_NORM_EPS, activation: 'gelu' });
      const quarter = ops.conv2d(norm(half, p.norm1), p.down2.weight, { bias: p.down2.bias, stride: 2 });
      const rows = reshape(norm(quarter, p.norm2), [(batch * height * width) / LOW_RES_SCALE ** 2, 16]);
      return ops.gemm(rows, p.down3.weight, { bias: p.down3.bias });
    });
  }

  dispose(): void {
    dispose(this.p as never);
  }
}
