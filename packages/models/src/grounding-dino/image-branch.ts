import { concat, reshape, type Tensor, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { SwinTransformer } from '../encoders/index.js';
import { Conv2d } from '../nn/conv.js';
import { GroupNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { type GroundingDinoConfig, HIDDEN, LEVELS } from './config.js';
import { imagePositions } from './positions.js';
import type { LevelSize, OnTap } from './types.js';

const GROUPS = 32;

/** A projection of a backbone map to 256 channels, and its normalisation. */
interface InputProjection {
  conv: Conv2d;
  norm: GroupNorm;
}

/** Backbone and feature pyramid (GroundingDINO, `groundingdino.py`, `input_proj`). */
export class ImageBranch {
  private constructor(
    private readonly backbone: SwinTransformer,
    private readonly projections: readonly InputProjection[],
    /** Row-major [levels, 256]. */
    private readonly levelEmbedding: Float32Array,
  ) {}

  static async load(source: LayerSource, { backbone }: GroundingDinoConfig): Promise<ImageBranch> {
    const { weights, ops } = source;
    const swin = await SwinTransformer.load(weights, 'backbone.0.', ops, backbone);
    const channels = backbone.exported.map((stage) => backbone.embed * 2 ** stage);
    const projections: InputProjection[] = [];
    for (let level = 0; level < LEVELS; level++) {
      const key = `input_proj.${level}`;
      projections.push({
        // Every level but the last has a map of the backbone; the last one halves the backbone's last map.
        conv:
          level < channels.length
            ? await Conv2d.loadPointwise(source, `${key}.0`, channels[level]!, HIDDEN)
            : await Conv2d.load(source, `${key}.0`, channels.at(-1)!, HIDDEN, 3, { stride: 2, padding: 1 }),
        norm: await GroupNorm.load(source, `${key}.1`, HIDDEN, GROUPS),
      });
    }
    return new ImageBranch(swin, projections, await weights.take('transformer.level_embed', [LEVELS, HIDDEN]));
  }

  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns The levels one after the other, float32 [S, 256], and their sizes.
   */
  encode(image: Tensor, onTap?: OnTap): { tokens: Tensor2D; levels: LevelSize[] } {
    return tidyAll(() => {
      const maps = this.backbone.forward(image);
      const levels: LevelSize[] = [];
      const rows: Tensor2D[] = [];
      for (const [level, { conv, norm }] of this.projections.entries()) {
        const source = maps[Math.min(level, maps.length - 1)]!;
        const normal = norm.forward(conv.forward(source));
        onTap?.(`input_proj${level}`, normal);
        const [height, width] = normal.shape as [number, number, number];
        levels.push({ height, width });
        rows.push(reshape(normal, [height * width, HIDDEN]));
      }
      return { tokens: concat(rows, 0), levels };
    });
  }

  /** Sine position codes plus level embeddings, float32 [S, 256]. */
  positions(levels: readonly LevelSize[]): Tensor2D {
    const codes = imagePositions(levels, this.levelEmbedding);
    return tensor2d(codes, [codes.length / HIDDEN, HIDDEN]);
  }
}
