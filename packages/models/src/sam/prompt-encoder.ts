import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadConv, loadLinear } from '../nn/parameters.js';
import { EMBEDDING_CHANNELS, EMBEDDING_STRIDE } from './image-encoder.js';
import type { Box, Point } from './transforms.js';

/** Sides of the mask input and of the mask logits, in positions of the embedding. */
export const LOW_RES_SCALE = 4;

/** Epsilon of the norms over the channels of a map (segment-anything, `LayerNorm2d`). */
export const MAP_NORM_EPS = 1e-6;

/** Meaning of a point. */
export const PointLabel = { padding: -1, background: 0, foreground: 1, topLeft: 2, bottomRight: 3 } as const;

/** Points and a box in the frame: pixels of the resized image, padding included. */
export interface FramePrompt {
  points?: readonly Point[];
  /** One for each point, `PointLabel`. */
  labels?: readonly number[];
  box?: Box;
}

/** How points are read. */
export interface SparseOptions {
  /**
   * Reads labels 2 and 3 as corners of a box and appends no point, as the published ONNX models do: there, a caller who
   * gives no corners appends a point of label -1 himself.
   */
  cornerLabels?: boolean;
}

/**
 * Embeds points, boxes and masks (segment-anything, `modeling/prompt_encoder.py`). Sine and cosine of the random Fourier
 * features (Tancik et al., 2020) are taken on the CPU: WebGPU promises only 2^-11 for them.
 */
export class PromptEncoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly imageSize: number,
    /** [2, 128], flat. */
    private readonly gaussian: Float32Array,
    private readonly embeddings: { points: readonly Float32Array[]; notAPoint: Float32Array },
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
    const embedding = (name: string) => weights.take(`${key}.${name}.weight`, [1, EMBEDDING_CHANNELS]);
    const gaussian = await weights.take(`${key}.pe_layer.positional_encoding_gaussian_matrix`, [
      2,
      EMBEDDING_CHANNELS / 2,
    ]);
    const points = [];
    for (const label of [0, 1, 2, 3]) points.push(await embedding(`point_embeddings.${label}`));
    const notAPoint = await embedding('not_a_point_embed');
    const side = imageSize / EMBEDDING_STRIDE;
    const dense = new Float32Array(side * side * EMBEDDING_CHANNELS);
    for (let i = 0; i < side * side; i++) {
      const position = [((i % side) + 0.5) / side, (Math.floor(i / side) + 0.5) / side] as const;
      addFourier(gaussian, position, dense, i * EMBEDDING_CHANNELS);
    }
    return new PromptEncoder(
      ops,
      imageSize,
      gaussian,
      { points, notAPoint },
      {
        densePe: weights.own(tensor(dense, [side * side, EMBEDDING_CHANNELS])),
        noMask: weights.own(tensor(await embedding('no_mask_embed'), [EMBEDDING_CHANNELS])),
        down1: await loadConv(weights, `${key}.mask_downscaling.0`, 1, 4, 2),
        norm1: await loadAffine(weights, [`${key}.mask_downscaling.1`], 4),
        down2: await loadConv(weights, `${key}.mask_downscaling.3`, 4, 16, 2),
        norm2: await loadAffine(weights, [`${key}.mask_downscaling.4`], 16),
        down3: await loadLinear(weights, `${key}.mask_downscaling.6`, 16, EMBEDDING_CHANNELS, { pointwise: true }),
      },
    );
  }

  /** Values that tell one training from another. */
  get identity(): Float32Array {
    return this.gaussian;
  }

  /** Positional encoding of the embedding's grid, float32 [side^2, 256]. */
  get densePe(): Tensor {
    return this.p.densePe;
  }

  /** What stands for a mask where there is none, float32 [256]. */
  get noMask(): Tensor {
    return this.p.noMask;
  }

  /** Tokens of a prompt's points and box: float32 [tokens, 256], flat. Points without a box are followed by a padding point. */
  sparse({ points = [], labels = [], box }: FramePrompt, { cornerLabels = false }: SparseOptions = {}): Float32Array {
    const tokens: { at: Point; add?: Float32Array; plain?: boolean }[] = points.map((at, i) => {
      const label = labels[i]!;
      if (label === PointLabel.padding) return { at, add: this.embeddings.notAPoint, plain: true };
      // Without corner labels, PyTorch's path adds nothing to a label it does not know.
      return { at, add: label <= 1 || cornerLabels ? this.embeddings.points[label] : undefined };
    });
    if (points.length > 0 && !box && !cornerLabels) {
      tokens.push({ at: [0, 0], add: this.embeddings.notAPoint, plain: true });
    }
    if (box) {
      tokens.push({ at: [box[0], box[1]], add: this.embeddings.points[PointLabel.topLeft] });
      tokens.push({ at: [box[2], box[3]], add: this.embeddings.points[PointLabel.bottomRight] });
    }
    const out = new Float32Array(tokens.length * EMBEDDING_CHANNELS);
    for (const [i, { at, add, plain }] of tokens.entries()) {
      const base = i * EMBEDDING_CHANNELS;
      // Pixels are points at their centres.
      const position = [(at[0] + 0.5) / this.imageSize, (at[1] + 0.5) / this.imageSize] as const;
      if (!plain) addFourier(this.gaussian, position, out, base);
      if (add) for (let c = 0; c < EMBEDDING_CHANNELS; c++) out[base + c]! += add[c]!;
    }
    return out;
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

/** Adds sine and cosine of the random projections of a position in [0, 1]^2 to 256 values from `base` on. */
function addFourier(
  gaussian: Float32Array,
  [x, y]: readonly [number, number],
  target: Float32Array,
  base: number,
): void {
  const half = gaussian.length / 2;
  for (let i = 0; i < half; i++) {
    const angle = 2 * Math.PI * ((2 * x - 1) * gaussian[i]! + (2 * y - 1) * gaussian[half + i]!);
    target[base + i]! += Math.sin(angle);
    target[base + half + i]! += Math.cos(angle);
  }
}
