import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import { convLayout, transposeLinear } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';
import type { Encoder, EncoderFeatures } from './encoder.js';

/** What distinguishes the published Swin Transformers. */
export interface SwinConfig {
  /** Channels of the first stage; every later one has twice as many. */
  readonly embed: number;
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  /** Heads of each stage. */
  readonly heads: readonly number[];
  /** Side of a window in tokens; odd blocks are shifted by half of it. */
  readonly window: number;
  /** Stages whose normalised outputs are exported. */
  readonly exported: readonly number[];
}

/** Swin-B without its last stage, as in SwinB-DeAOT. */
const SWIN_B_THREE_STAGES: SwinConfig = {
  embed: 128,
  depths: [2, 2, 18],
  heads: [4, 8, 16],
  window: 7,
  exported: [0, 1, 2],
};

const PATCH = 4;
const MLP_RATIO = 4;

/** An image of tokens. */
interface TokenGrid {
  height: number;
  width: number;
}

/** How a block divides the image. */
interface SwinGeometry {
  heads: number;
  window: number;
  shift: number;
}

/** Attention within (shifted) windows, with a bias for each distance. */
class WindowAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly geometry: SwinGeometry,
    private readonly qkv: Linear,
    private readonly relativePositionBiasTable: Tensor,
    private readonly proj: Linear,
  ) {}

  static async load(source: LayerSource, key: string, channels: number, geometry: SwinGeometry) {
    const { weights, ops } = source;
    const table = [(2 * geometry.window - 1) ** 2, geometry.heads];
    return new WindowAttention(
      ops,
      geometry,
      await Linear.load(source, `${key}.qkv`, channels, 3 * channels),
      weights.own(tensor(await weights.take(`${key}.relative_position_bias_table`, table), table)),
      await Linear.load(source, `${key}.proj`, channels, channels),
    );
  }

  forward(x: Tensor, grid: TokenGrid, residual: Tensor): Tensor {
    const { ops, geometry, qkv, relativePositionBiasTable, proj } = this;
    return tidy(() => {
      const joint = qkv.forward(x);
      const mixed = ops.windowAttention(joint, qkv.bias, relativePositionBiasTable, { ...grid, ...geometry });
      // Each step frees what it needed: large images have large first stages.
      joint.dispose();
      return proj.forward(mixed, { residual });
    });
  }
}

/** Attention within windows and a two-layer perceptron, each with its normalisation and its residual. */
class SwinBlock {
  private constructor(
    private readonly norm1: LayerNorm,
    private readonly attn: WindowAttention,
    private readonly norm2: LayerNorm,
    private readonly mlp: Mlp,
  ) {}

  static async load(source: LayerSource, key: string, channels: number, geometry: SwinGeometry): Promise<SwinBlock> {
    const layers = [`${key}.mlp.fc1`, `${key}.mlp.fc2`] as const;
    return new SwinBlock(
      await LayerNorm.load(source, `${key}.norm1`, channels),
      await WindowAttention.load(source, `${key}.attn`, channels, geometry),
      await LayerNorm.load(source, `${key}.norm2`, channels),
      await Mlp.load(source, layers, channels, MLP_RATIO * channels, 'gelu'),
    );
  }

  /** @param x float32 [height * width, C]. */
  forward(x: Tensor, grid: TokenGrid): Tensor {
    const { norm1, attn, norm2, mlp } = this;
    return tidy(() => {
      const attended = tidy(() => attn.forward(norm1.forward(x), grid, x));
      return mlp.forward(norm2.forward(attended), attended);
    });
  }
}

/** Four neighbouring tokens become one of twice the channels. */
class PatchMerging {
  private constructor(
    private readonly ops: OpSet,
    private readonly norm: LayerNorm,
    /** float32 [4 C, 2 C]. */
    private readonly reduction: Tensor,
  ) {}

  static async load(source: LayerSource, key: string, channels: number): Promise<PatchMerging> {
    const [inputs, outputs] = [4 * channels, 2 * channels];
    const stored = await source.weights.take(`${key}.reduction.weight`, [outputs, inputs]);
    const reduction = tensor(transposeLinear(stored, inputs, 0, outputs), [inputs, outputs]);
    const norm = await LayerNorm.load(source, `${key}.norm`, inputs);
    return new PatchMerging(source.ops, norm, source.weights.own(reduction));
  }

  forward(x: Tensor, { height, width }: TokenGrid): Tensor {
    const { ops, norm, reduction } = this;
    return tidy(() => ops.gemm(norm.forward(ops.patchMerge(reshape(x, [height, width, -1]))), reduction));
  }
}

/** Blocks at one resolution. */
interface SwinStage {
  blocks: SwinBlock[];
  /** Normalisation of the exported output; missing where the stage is not exported. */
  norm?: LayerNorm;
  /** Missing in the last stage. */
  downsample?: PatchMerging;
}

/**
 * Swin Transformer over images of any size. Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
 * Windows" (2021); state-dict keys as in its detection and segmentation repositories.
 */
export class SwinTransformer {
  private constructor(
    readonly config: SwinConfig,
    private readonly patchEmbed: Conv2d,
    private readonly patchNorm: LayerNorm,
    private readonly stages: readonly SwinStage[],
  ) {}

  /**
   * Reads and uploads the weights.
   *
   * @param prefix What stands before `patch_embed` in the keys, such as `encoder.`.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(weights: WeightReader, prefix: string, ops: OpSet, config: SwinConfig): Promise<SwinTransformer> {
    const { embed, depths, heads, window, exported } = config;
    const source: LayerSource = { weights, ops };
    const shape = [embed, 3, PATCH, PATCH] as const;
    const stored = await weights.take(`${prefix}patch_embed.proj.weight`, shape);
    const patchEmbed = new Conv2d(
      ops,
      weights.own(tensor(convLayout(stored, shape, 4), [PATCH, PATCH, 4, embed])),
      weights.own(tensor(await weights.take(`${prefix}patch_embed.proj.bias`, [embed]))),
      { stride: PATCH },
    );
    const patchNorm = await LayerNorm.load(source, `${prefix}patch_embed.norm`, embed);
    const stages: SwinStage[] = [];
    for (const [s, depth] of depths.entries()) {
      const channels = embed * 2 ** s;
      const key = `${prefix}layers.${s}`;
      const blocks: SwinBlock[] = [];
      for (let b = 0; b < depth; b++) {
        const shift = b % 2 === 1 ? Math.floor(window / 2) : 0;
        const geometry = { heads: heads[s]!, window, shift };
        blocks.push(await SwinBlock.load(source, `${key}.blocks.${b}`, channels, geometry));
      }
      const stage: SwinStage = { blocks };
      if (exported.includes(s)) stage.norm = await LayerNorm.load(source, `${prefix}norm${s}`, channels);
      if (s + 1 < depths.length) stage.downsample = await PatchMerging.load(source, `${key}.downsample`, channels);
      stages.push(stage);
    }
    return new SwinTransformer(config, patchEmbed, patchNorm, stages);
  }

  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns One map for each exported stage, float32 [h, w, C], which the caller disposes.
   */
  forward(image: Tensor): Tensor[] {
    return tidy(() => {
      const rest = (side: number) => (PATCH - (side % PATCH)) % PATCH;
      // Zeros at the bottom and at the right up to whole patches.
      const padding = [0, 0, rest(image.shape[0]!), rest(image.shape[1]!)] as const;
      const embedded = this.patchEmbed.forward(image, { padding });
      const [height, width] = embedded.shape as [number, number, number];
      let grid: TokenGrid = { height, width };
      let x = this.patchNorm.forward(reshape(embedded, [height * width, -1]));
      embedded.dispose();
      const maps: Tensor[] = [];
      for (const { blocks, norm, downsample } of this.stages) {
        for (const block of blocks) {
          const next = block.forward(x, grid);
          x.dispose();
          x = next;
        }
        if (norm) {
          maps.push(reshape(norm.forward(x), [grid.height, grid.width, -1]));
        }
        if (downsample) {
          const next = downsample.forward(x, grid);
          x.dispose();
          x = next;
          grid = { height: Math.ceil(grid.height / 2), width: Math.ceil(grid.width / 2) };
        }
      }
      return maps;
    });
  }
}

/** Swin-B without its last stage as the encoder of a tracker. */
export class SwinEncoder implements Encoder {
  readonly channels = [128, 256, 512, 512] as const;

  private constructor(private readonly swin: SwinTransformer) {}

  /** As `SwinTransformer.load`. */
  static async load(weights: WeightReader, prefix: string, ops: OpSet): Promise<SwinEncoder> {
    return new SwinEncoder(await SwinTransformer.load(weights, prefix, ops, SWIN_B_THREE_STAGES));
  }

  /** As in `Encoder`; `last` is a tensor of its own that shares the contents of `f16`. */
  forward(image: Tensor): EncoderFeatures {
    return tidy(() => {
      const [f4, f8, f16] = this.swin.forward(image) as [Tensor, Tensor, Tensor];
      return { f4, f8, f16, last: f16.clone() };
    });
  }
}
