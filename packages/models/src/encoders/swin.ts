import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, convLayout, type Linear, loadAffine, loadLinear, transposeLinear } from '../nn/parameters.js';
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

/** Attention within (shifted) windows and a two-layer perceptron, each with its normalisation and its residual. */
class SwinBlock {
  private constructor(
    private readonly ops: OpSet,
    private readonly geometry: { heads: number; window: number; shift: number },
    private readonly norm1: Affine,
    private readonly qkv: Linear,
    private readonly positionBias: Tensor,
    private readonly projection: Linear,
    private readonly norm2: Affine,
    private readonly fc1: Linear,
    private readonly fc2: Linear,
  ) {}

  static async load(
    weights: WeightReader,
    key: string,
    channels: number,
    geometry: { heads: number; window: number; shift: number },
    ops: OpSet,
  ): Promise<SwinBlock> {
    const { heads, window } = geometry;
    const table = [(2 * window - 1) ** 2, heads];
    const hidden = MLP_RATIO * channels;
    return new SwinBlock(
      ops,
      geometry,
      await loadAffine(weights, [`${key}.norm1`], channels),
      await loadLinear(weights, `${key}.attn.qkv`, channels, 3 * channels),
      weights.own(tensor(await weights.take(`${key}.attn.relative_position_bias_table`, table), table)),
      await loadLinear(weights, `${key}.attn.proj`, channels, channels),
      await loadAffine(weights, [`${key}.norm2`], channels),
      await loadLinear(weights, `${key}.mlp.fc1`, channels, hidden),
      await loadLinear(weights, `${key}.mlp.fc2`, hidden, channels),
    );
  }

  /** @param x float32 [height * width, C]. */
  forward(x: Tensor, grid: TokenGrid): Tensor {
    const { ops, geometry, norm1, qkv, positionBias, projection, norm2, fc1, fc2 } = this;
    return tidy(() => {
      // Each step frees what it needed: large images have large first stages.
      const mixed = tidy(() => {
        const joint = ops.gemm(ops.layerNorm(x, norm1.weight, norm1.bias), qkv.weight, { bias: qkv.bias });
        return ops.windowAttention(joint, qkv.bias, positionBias, { ...grid, ...geometry });
      });
      const attended = ops.gemm(mixed, projection.weight, { bias: projection.bias, residual: x });
      mixed.dispose();
      const normal = ops.layerNorm(attended, norm2.weight, norm2.bias);
      return ops.feedForward(normal, fc1, fc2, { activation: 'gelu', residual: attended });
    });
  }

  dispose(): void {
    for (const layer of [this.norm1, this.qkv, this.projection, this.norm2, this.fc1, this.fc2]) dispose({ ...layer });
    this.positionBias.dispose();
  }
}

/** Four neighbouring tokens become one of twice the channels. */
interface PatchMerging {
  norm: Affine;
  /** float32 [4 C, 2 C]. */
  reduction: Tensor;
}

/** Blocks at one resolution. */
interface SwinStage {
  blocks: SwinBlock[];
  /** Normalisation of the exported output; missing where the stage is not exported. */
  norm?: Affine;
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
    private readonly ops: OpSet,
    private readonly patch: Linear,
    private readonly patchNorm: Affine,
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
    const shape = [embed, 3, PATCH, PATCH] as const;
    const patch: Linear = {
      weight: weights.own(
        tensor(convLayout(await weights.take(`${prefix}patch_embed.proj.weight`, shape), shape, 4), [
          PATCH,
          PATCH,
          4,
          embed,
        ]),
      ),
      bias: weights.own(tensor(await weights.take(`${prefix}patch_embed.proj.bias`, [embed]))),
    };
    const patchNorm = await loadAffine(weights, [`${prefix}patch_embed.norm`], embed);
    const stages: SwinStage[] = [];
    for (const [s, depth] of depths.entries()) {
      const channels = embed * 2 ** s;
      const key = `${prefix}layers.${s}`;
      const blocks: SwinBlock[] = [];
      for (let b = 0; b < depth; b++) {
        const shift = b % 2 === 1 ? Math.floor(window / 2) : 0;
        const geometry = { heads: heads[s]!, window, shift };
        blocks.push(await SwinBlock.load(weights, `${key}.blocks.${b}`, channels, geometry, ops));
      }
      const stage: SwinStage = { blocks };
      if (exported.includes(s)) stage.norm = await loadAffine(weights, [`${prefix}norm${s}`], channels);
      if (s + 1 < depths.length) stage.downsample = await loadPatchMerging(weights, `${key}.downsample`, channels);
      stages.push(stage);
    }
    return new SwinTransformer(config, ops, patch, patchNorm, stages);
  }

  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns One map for each exported stage, float32 [h, w, C], which the caller disposes.
   */
  forward(image: Tensor): Tensor[] {
    const { ops, patch, patchNorm } = this;
    return tidy(() => {
      const rest = (side: number) => (PATCH - (side % PATCH)) % PATCH;
      const embedded = ops.conv2d(image, patch.weight, {
        bias: patch.bias,
        stride: PATCH,
        // Zeros at the bottom and at the right up to whole patches.
        padding: [0, 0, rest(image.shape[0]!), rest(image.shape[1]!)],
      });
      const [height, width] = embedded.shape as [number, number, number];
      let grid: TokenGrid = { height, width };
      let x = ops.layerNorm(reshape(embedded, [height * width, -1]), patchNorm.weight, patchNorm.bias);
      embedded.dispose();
      const maps: Tensor[] = [];
      for (const { blocks, norm, downsample } of this.stages) {
        for (const block of blocks) {
          const next = block.forward(x, grid);
          x.dispose();
          x = next;
        }
        if (norm) {
          const normal = ops.layerNorm(x, norm.weight, norm.bias);
          maps.push(reshape(normal, [grid.height, grid.width, -1]));
        }
        if (downsample) {
          const next = merge(ops, x, grid, downsample);
          x.dispose();
          x = next;
          grid = { height: Math.ceil(grid.height / 2), width: Math.ceil(grid.width / 2) };
        }
      }
      return maps;
    });
  }

  dispose(): void {
    for (const layer of [this.patch, this.patchNorm]) dispose({ ...layer });
    for (const { blocks, norm, downsample } of this.stages) {
      for (const block of blocks) block.dispose();
      if (norm) dispose({ ...norm });
      if (downsample) dispose({ ...downsample.norm, reduction: downsample.reduction });
    }
  }
}

async function loadPatchMerging(weights: WeightReader, key: string, channels: number): Promise<PatchMerging> {
  const inputs = 4 * channels;
  const outputs = 2 * channels;
  const reduction = await weights.take(`${key}.reduction.weight`, [outputs, inputs]);
  return {
    norm: await loadAffine(weights, [`${key}.norm`], inputs),
    reduction: weights.own(tensor(transposeLinear(reduction, inputs, 0, outputs), [inputs, outputs])),
  };
}

function merge(ops: OpSet, x: Tensor, { height, width }: TokenGrid, { norm, reduction }: PatchMerging): Tensor {
  return tidy(() => {
    const gathered = ops.patchMerge(reshape(x, [height, width, -1]));
    return ops.gemm(ops.layerNorm(gathered, norm.weight, norm.bias), reduction);
  });
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

  dispose(): void {
    this.swin.dispose();
  }
}
