import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { CheckpointError, type WeightReader } from '../checkpoint/index.js';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { interpolateTable } from './relative-table.js';

/** Pixels of a patch, along each axis. */
export const PATCH = 16;
const MLP_RATIO = 4;
const EPSILON = 1e-6;

/** What distinguishes the vision transformers of Segment Anything. */
export interface VitDetConfig {
  /** Channels of a token. */
  readonly embed: number;
  readonly depth: number;
  readonly heads: number;
  /** Side of the windows in tokens. */
  readonly window: number;
  /** Blocks whose attention is over the whole image; that of all others is within windows. */
  readonly global: readonly number[];
  /** Side of the image in tokens. */
  readonly grid: number;
}

/** The published sizes (`build_sam.py`), for images of 1024 x 1024. */
export const VIT_DET_CONFIGS = {
  'vit-b': { embed: 768, depth: 12, heads: 12, window: 14, global: [2, 5, 8, 11], grid: 64 },
  'vit-l': { embed: 1024, depth: 24, heads: 16, window: 14, global: [5, 11, 17, 23], grid: 64 },
  'vit-h': { embed: 1280, depth: 32, heads: 16, window: 14, global: [7, 15, 23, 31], grid: 64 },
} as const satisfies Record<string, VitDetConfig>;

/** Options of `VitDet.load`. */
export interface VitDetLoadOptions {
  /** Keeps the matrices of the blocks as float16, which halves the model; computes in float32. For the kernels' operations only. */
  float16?: boolean | undefined;
  /** Called with the share of the blocks that is loaded, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Sees intermediate results by name: `patch_pos` and `blockN`, float32 [grid^2, embed], which it may not keep. */
export type VitDetTap = (name: string, tensor: Tensor) => void;

/** The attention of a block: of the whole image, or of windows. */
interface AttentionShape {
  grid: number;
  heads: number;
  /** Missing for the whole image. */
  window?: number;
}

/** Attention with decomposed relative positions. */
class RelativeAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly shape: AttentionShape,
    private readonly qkv: Linear,
    private readonly relPosH: Tensor,
    private readonly relPosW: Tensor,
    private readonly proj: Linear,
  ) {}

  static async load(source: LayerSource, key: string, embed: number, shape: AttentionShape, float16: boolean) {
    const length = 2 * (shape.window ?? shape.grid) - 1;
    const table = (name: string) => loadTable(source.weights, `${key}.${name}`, length, embed / shape.heads);
    return new RelativeAttention(
      source.ops,
      shape,
      await Linear.load(source, `${key}.qkv`, embed, 3 * embed, { float16 }),
      await table('rel_pos_h'),
      await table('rel_pos_w'),
      await Linear.load(source, `${key}.proj`, embed, embed, { float16 }),
    );
  }

  /** @param x float32 [grid^2, embed]; disposed. */
  forward(x: Tensor, residual: Tensor): Tensor {
    const { ops, qkv, relPosH: rows, relPosW: columns } = this;
    const { grid, heads, window } = this.shape;
    const image = { height: grid, width: grid };
    const joint = qkv.forward(x);
    x.dispose();
    const channels = joint.shape[1]! / 3;
    const parts = { channels, keyColumn: channels, valueColumn: 2 * channels };
    const mixed =
      window === undefined
        ? ops.multiHeadAttention(joint, joint, joint, { heads, ...parts, relative: { ...image, rows, columns } })
        : ops.relativeWindowAttention(joint, qkv.bias, rows, columns, { ...image, window, heads });
    joint.dispose();
    const out = this.proj.forward(mixed, { residual });
    mixed.dispose();
    return out;
  }
}

/** Attention with relative positions and a two-layer perceptron, each with its normalisation and its residual. */
class VitDetBlock {
  private constructor(
    private readonly norm1: LayerNorm,
    private readonly attn: RelativeAttention,
    private readonly norm2: LayerNorm,
    private readonly lin1: Linear,
    private readonly lin2: Linear,
  ) {}

  static async load(source: LayerSource, key: string, embed: number, shape: AttentionShape, float16: boolean) {
    const hidden = MLP_RATIO * embed;
    return new VitDetBlock(
      await LayerNorm.load(source, `${key}.norm1`, embed, EPSILON),
      await RelativeAttention.load(source, `${key}.attn`, embed, shape, float16),
      await LayerNorm.load(source, `${key}.norm2`, embed, EPSILON),
      await Linear.load(source, `${key}.mlp.lin1`, embed, hidden, { float16 }),
      await Linear.load(source, `${key}.mlp.lin2`, hidden, embed, { float16 }),
    );
  }

  /**
   * @param x float32 [grid^2, embed]; disposed.
   * @returns The same shape. What was made on the way is free again when it returns, not only at the end of the scope.
   */
  forward(x: Tensor): Tensor {
    const attended = this.attn.forward(this.norm1.forward(x), x);
    x.dispose();
    const normal = this.norm2.forward(attended);
    const hidden = this.lin1.forward(normal, { activation: 'gelu' });
    normal.dispose();
    const out = this.lin2.forward(hidden, { residual: attended });
    hidden.dispose();
    attended.dispose();
    return out;
  }
}

/**
 * The plain vision transformer of Segment Anything without its neck. Li et al., "Exploring Plain Vision Transformer
 * Backbones for Object Detection" (2022); `image_encoder.py` of segment-anything, whose state-dict keys it has.
 */
export class VitDet {
  private constructor(
    readonly config: VitDetConfig,
    private readonly patchEmbed: Conv2d,
    private readonly posEmbed: Tensor,
    private readonly blocks: readonly VitDetBlock[],
  ) {}

  /**
   * Reads and uploads the weights. A table of relative positions that is not as long as the grid or the window wants it is
   * interpolated, as the official model does.
   *
   * @param prefix What stands before `patch_embed` in the keys, such as `image_encoder.`.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(
    weights: WeightReader,
    prefix: string,
    ops: OpSet,
    config: VitDetConfig,
    { float16 = false, onProgress }: VitDetLoadOptions = {},
  ): Promise<VitDet> {
    const { embed, depth, heads, window, global, grid } = config;
    const source: LayerSource = { weights, ops };
    const patchEmbed = await loadPatchEmbed(source, `${prefix}patch_embed.proj`, embed, grid);
    const position = [1, grid, grid, embed];
    const posEmbed = weights.own(tensor(await weights.take(`${prefix}pos_embed`, position), [grid, grid, embed]));
    const blocks: VitDetBlock[] = [];
    for (let i = 0; i < depth; i++) {
      const shape = global.includes(i) ? { grid, heads } : { grid, heads, window };
      blocks.push(await VitDetBlock.load(source, `${prefix}blocks.${i}`, embed, shape, float16));
      onProgress?.((i + 1) / depth);
    }
    return new VitDet(config, patchEmbed, posEmbed, blocks);
  }

  /**
   * @param image float32 [S, S, 3] with S = 16 * grid, normalised.
   * @returns float32 [grid^2, embed], which the caller disposes.
   */
  forward(image: Tensor, onTap?: VitDetTap): Tensor {
    const { grid, embed } = this.config;
    return tidy(() => {
      // A patch is 16 pieces of rows, 16 pixels each, that lie as far apart as the image is wide. With a piece as a pixel of
      // 48 channels and the 16 rows of a row of patches side by side, that is a convolution along a row.
      const pieces = reshape(image, [grid, PATCH * grid, PATCH * 3]);
      const embedded = this.patchEmbed.forward(pieces, { residual: this.posEmbed });
      let x: Tensor = reshape(embedded, [grid * grid, embed]);
      embedded.dispose();
      onTap?.('patch_pos', x);
      for (const [i, block] of this.blocks.entries()) {
        x = block.forward(x);
        onTap?.(`block${i}`, x);
      }
      return x;
    });
  }
}

/** The convolution of patches, [embed, 3, 16, 16], as [1, 16, 48, embed]: rows of a patch, then pixels and colours. */
async function loadPatchEmbed({ weights, ops }: LayerSource, key: string, embed: number, grid: number) {
  const source = await weights.take(`${key}.weight`, [embed, 3, PATCH, PATCH]);
  const values = new Float32Array(source.length);
  for (let o = 0; o < embed; o++)
    for (let colour = 0; colour < 3; colour++)
      for (let i = 0; i < PATCH * PATCH; i++)
        values[(i * 3 + colour) * embed + o] = source[(o * 3 + colour) * PATCH * PATCH + i]!;
  const weight = weights.own(tensor(values, [1, PATCH, PATCH * 3, embed]));
  const bias = weights.own(tensor(await weights.take(`${key}.bias`, [embed])));
  return new Conv2d(ops, weight, bias, { dilation: grid });
}

async function loadTable(weights: WeightReader, key: string, length: number, headSize: number): Promise<Tensor> {
  const [stored] = weights.shape(key) as [number];
  const values = await weights.take(key, [stored, headSize]);
  if (stored === 0) {
    throw new CheckpointError('wrong-shape', `"${key}" is empty`, {
      file: weights.file,
      key,
      actualShape: [0, headSize],
    });
  }
  return weights.own(tensor(interpolateTable(values, headSize, length), [length, headSize]));
}

/**
 * The configuration that the shapes of a checkpoint imply, for models of an unpublished size.
 * @throws CheckpointError when a tensor is missing, or the tables of relative positions fit no window.
 */
export function inferVitDetConfig(weights: WeightReader, prefix: string): VitDetConfig {
  const [, grid, , embed] = weights.shape(`${prefix}pos_embed`) as [number, number, number, number];
  const global: number[] = [];
  let window: number | undefined;
  let depth = 0;
  let headSize = embed;
  for (; weights.has(`${prefix}blocks.${depth}.attn.qkv.weight`); depth++) {
    const key = `${prefix}blocks.${depth}.attn.rel_pos_h`;
    const shape = weights.shape(key) as [number, number];
    headSize = shape[1];
    const side = (shape[0] + 1) / 2;
    if (side === grid) global.push(depth);
    else if (Number.isInteger(side) && side < grid && (window ?? side) === side) window = side;
    else {
      throw new CheckpointError(
        'wrong-shape',
        `"${key}" has ${shape[0]} rows, which fit neither the image nor a window`,
        {
          file: weights.file,
          key,
          expectedShape: [2 * (window ?? grid) - 1, headSize],
          actualShape: shape,
        },
      );
    }
  }
  return { embed, depth, heads: embed / headSize, window: window ?? grid, global, grid };
}
