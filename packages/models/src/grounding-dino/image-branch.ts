import type { OpSet } from '@samtrack/kernels';
import { concat, dispose, reshape, type Tensor, type Tensor2D, tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { SwinTransformer } from '../encoders/index.js';
import { type Affine, asConv, type Linear, loadAffine, loadConv, loadLinear } from '../nn/parameters.js';
import { type GroundingDinoConfig, HIDDEN, LEVELS } from './config.js';
import { imagePositions } from './positions.js';
import type { LevelSize, OnTap } from './types.js';

const GROUPS = 32;

/** A projection of a backbone map to 256 channels, and its normalisation. */
interface InputProjection {
  conv: Linear;
  norm: Affine;
}

/** Backbone and feature pyramid (GroundingDINO, `groundingdino.py`, `input_proj`). */
export class ImageBranch {
  private constructor(
    private readonly ops: OpSet,
    private readonly backbone: SwinTransformer,
    private readonly projections: readonly InputProjection[],
    /** Row-major [levels, 256]. */
    private readonly levelEmbedding: Float32Array,
  ) {}

  static async load(weights: WeightReader, config: GroundingDinoConfig, ops: OpSet): Promise<ImageBranch> {
    const { backbone } = config;
    const swin = await SwinTransformer.load(weights, 'backbone.0.', ops, backbone);
    const channels = backbone.exported.map((stage) => backbone.embed * 2 ** stage);
    const projections: InputProjection[] = [];
    for (let level = 0; level < LEVELS; level++) {
      const key = `input_proj.${level}`;
      projections.push({
        // Every level but the last has a map of the backbone; the last one halves the backbone's last map.
        conv:
          level < channels.length
            ? asConv(weights, await loadLinear(weights, `${key}.0`, channels[level]!, HIDDEN, { pointwise: true }))
            : await loadConv(weights, `${key}.0`, channels.at(-1)!, HIDDEN, 3),
        norm: await loadAffine(weights, [`${key}.1`], HIDDEN),
      });
    }
    return new ImageBranch(ops, swin, projections, await weights.take('transformer.level_embed', [LEVELS, HIDDEN]));
  }

  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns The levels one after the other, float32 [S, 256], and their sizes.
   */
  encode(image: Tensor, onTap?: OnTap): { tokens: Tensor2D; levels: LevelSize[] } {
    const { ops } = this;
    return tidy(() => {
      const maps = this.backbone.forward(image);
      const levels: LevelSize[] = [];
      const rows: Tensor2D[] = [];
      for (const [level, { conv, norm }] of this.projections.entries()) {
        const source = maps[Math.min(level, maps.length - 1)]!;
        const options = level < maps.length ? {} : { stride: 2, padding: 1 };
        const projected = ops.conv2d(source, conv.weight, { bias: conv.bias, ...options });
        const normal = ops.groupNorm(projected, norm.weight, norm.bias, GROUPS);
        onTap?.(`input_proj${level}`, normal);
        const [height, width] = normal.shape as [number, number, number];
        levels.push({ height, width });
        rows.push(reshape(normal, [height * width, HIDDEN]));
      }
      return { tokens: concat(rows, 0), levels } as never;
    }) as { tokens: Tensor2D; levels: LevelSize[] };
  }

  /** Sine position codes plus level embeddings, float32 [S, 256]. */
  positions(levels: readonly LevelSize[]): Tensor2D {
    const codes = imagePositions(levels, this.levelEmbedding);
    return tensor2d(codes, [codes.length / HIDDEN, HIDDEN]);
  }

  dispose(): void {
    this.backbone.dispose();
    for (const { conv, norm } of this.projections) dispose([conv.weight, conv.bias, norm.weight, norm.bias]);
  }
}
