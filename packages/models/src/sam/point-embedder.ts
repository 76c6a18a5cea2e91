import type { WeightReader } from '../checkpoint/index.js';
import type { Box } from '../masks/box.js';
import type { Point } from './transforms.js';

/** Meaning of a point. */
export const PointLabel = { padding: -1, background: 0, foreground: 1, topLeft: 2, bottomRight: 3 } as const;

/** Points and a box in the frame: pixels of the resized image, padding included. */
export interface FramePrompt {
  points?: readonly Point[] | undefined;
  /** One for each point, `PointLabel`. */
  labels?: readonly number[] | undefined;
  box?: Box | undefined;
}

/** How points are read. */
export interface SparseOptions {
  /**
   * Reads labels 2 and 3 as corners of a box and appends no point, as the published ONNX models do: there, a caller who
   * gives no corners appends a point of label -1 himself.
   */
  cornerLabels?: boolean | undefined;
}

/**
 * Embeds points and boxes, and positions of the image (segment-anything, `modeling/prompt_encoder.py`). Sine and cosine of the random
 * Fourier features (Tancik et al., 2020) are taken on the CPU: WebGPU promises only 2^-11 for them.
 */
export class PointEmbedder {
  private constructor(
    /** Side of the frame in pixels. */
    private readonly imageSize: number,
    readonly channels: number,
    /** [2, channels / 2], flat. */
    private readonly gaussian: Float32Array,
    private readonly embeddings: { points: readonly Float32Array[]; notAPoint: Float32Array },
  ) {}

  static async load(
    weights: WeightReader,
    key: string,
    { imageSize, channels }: { imageSize: number; channels: number },
  ): Promise<PointEmbedder> {
    const gaussian = await weights.take(`${key}.pe_layer.positional_encoding_gaussian_matrix`, [2, channels / 2]);
    const embedding = (name: string) => weights.take(`${key}.${name}.weight`, [1, channels]);
    const points = [];
    for (const label of [0, 1, 2, 3]) points.push(await embedding(`point_embeddings.${label}`));
    const notAPoint = await embedding('not_a_point_embed');
    return new PointEmbedder(imageSize, channels, gaussian, { points, notAPoint });
  }

  /** Values that tell one training from another. */
  get identity(): Float32Array {
    return this.gaussian;
  }

  /** Positional encoding of the centres of a grid of side x side cells over the frame, flat [side^2, channels]. */
  grid(side: number): Float32Array {
    const out = new Float32Array(side * side * this.channels);
    for (let i = 0; i < side * side; i++) {
      const position = [((i % side) + 0.5) / side, (Math.floor(i / side) + 0.5) / side] as const;
      addFourier(this.gaussian, position, out, i * this.channels);
    }
    return out;
  }

  /** Tokens of a prompt's points and box, flat [tokens, channels]. Points without a box are followed by a padding point. */
  tokens({ points = [], labels = [], box }: FramePrompt, { cornerLabels = false }: SparseOptions = {}): Float32Array {
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
    const { channels, imageSize } = this;
    const out = new Float32Array(tokens.length * channels);
    for (const [i, { at, add, plain }] of tokens.entries()) {
      const base = i * channels;
      // Pixels are points at their centres.
      const position = [(at[0] + 0.5) / imageSize, (at[1] + 0.5) / imageSize] as const;
      if (!plain) addFourier(this.gaussian, position, out, base);
      if (add) for (let c = 0; c < channels; c++) out[base + c]! += add[c]!;
    }
    return out;
  }
}

/** Adds sine and cosine of the random projections of a position in [0, 1]^2 to the values from `base` on. */
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
