import { getEngine, IMAGENET } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { type PixelImage, toRgb } from '../image/index.js';
import { tidyAll } from '../nn/tidy.js';
import type { SamEmbedding } from '../sam/embedding.js';
import { type FramePrompt, PointLabel } from '../sam/point-embedder.js';
import type { DecodedBatch, DecodeOptions, MaskedPrompt, PreparedImage, PromptModel } from '../sam/prompt-model.js';
import type { ImageSize } from '../sam/transforms.js';
import { FEATURES } from './config.js';
import { resizeMapAntialiased } from './mask-arithmetic.js';
import type { DecodedObjects } from './mask-decoder.js';
import { type Sam2Model, STABILITY_FALLBACK } from './model.js';

/**
 * The image predictor of SAM 2.1 (sam2, `sam2_image_predictor.py`): the model as `SamPredictor` and `segmentEverything` take it.
 * Images are squeezed to a square, resized as floats with antialiasing; masks go from the low resolution to the image's size in one step.
 */
export class Sam2PromptModel implements PromptModel {
  readonly squeezes = true;
  /** As published (sam2, `automatic_mask_generator.py`). */
  readonly everything = { predIouThresh: 0.8 };

  constructor(
    readonly model: Sam2Model,
    /** Whether `dispose` frees the network. */
    private readonly owned = true,
  ) {}

  get imageSize(): number {
    return this.model.imageSize;
  }

  get lowRes(): number {
    return this.model.lowRes;
  }

  get side(): number {
    return this.model.side;
  }

  get maskFrame(): number {
    return this.model.lowRes;
  }

  get fingerprint(): string {
    return this.model.fingerprint;
  }

  get featureShapes(): readonly (readonly number[])[] {
    const positions = this.side ** 2;
    return [
      [positions, FEATURES],
      [4 * positions, 64],
      [16 * positions, 32],
    ];
  }

  encode(image: PixelImage, originalSize: ImageSize = image): SamEmbedding {
    const { model, imageSize } = this;
    const features = tidy(() => {
      const input = tensor(squeezed(image, imageSize), [imageSize, imageSize, 4]);
      const encoded = model.encode(input);
      return [model.withoutMemory(encoded.features), encoded.s1, encoded.s0];
    });
    const { height, width } = originalSize;
    return { features, originalSize: { height, width }, inputSize: { height: imageSize, width: imageSize } };
  }

  prepare({ features }: SamEmbedding): PreparedImage {
    const [embedding, s1, s0] = features as [Tensor, Tensor, Tensor];
    return {
      decode: (prompts, options) => this.#decode(embedding, { s1, s0 }, prompts, options),
      dispose: () => {},
    };
  }

  *#decode(
    embedding: Tensor,
    skips: { s1: Tensor; s0: Tensor },
    prompts: readonly MaskedPrompt[],
    { masks: choice }: DecodeOptions,
  ): Generator<DecodedBatch, void, undefined> {
    const { model, lowRes } = this;
    const tokens = prompts.map((prompt) => model.embedPoints(allPoints(prompt)));
    const groups = new Map<string, number[]>();
    for (const [i, { mask }] of prompts.entries()) {
      const key = `${tokens[i]!.length},${mask !== undefined}`;
      groups.set(key, [...(groups.get(key) ?? []), i]);
    }
    const size = model.objectsAPass;
    for (const group of groups.values()) {
      for (let start = 0; start < group.length; start += size) {
        const indices = group.slice(start, start + size);
        const given = indices.flatMap((i) => prompts[i]!.mask ?? []);
        const batch = tidyAll(() => {
          const masks = given.length > 0 ? tensor(joined(given), [indices.length, lowRes, lowRes]) : undefined;
          const decoded = model.decodeBatch(
            embedding,
            skips,
            indices.map((i) => tokens[i]!),
            masks,
          );
          return this.#chosen(decoded, choice);
        });
        yield { indices, ...batch };
      }
    }
  }

  /** The masks that were asked for. Of a single one all four are kept, for `settle` to choose from. */
  #chosen({ masks, iou }: DecodedObjects, choice: DecodeOptions['masks']): { logits: Tensor; iou: Tensor } {
    const { ops } = this.model;
    const [prompts, , side] = masks.shape as [number, number, number];
    const predicted = ops.broadcastAdd(iou, tensor([0, 0, 0, 0]), { activation: 'sigmoid' });
    if (choice !== 'multi') return { logits: masks, iou: predicted };
    const pixels = side * side;
    const three = ops.concatColumns([{ x: reshape(masks, [prompts, 4 * pixels]), columns: [pixels, 3 * pixels] }]);
    return { logits: reshape(three, [prompts, 3, side, side]), iou: predicted };
  }

  /** The single mask, or the best of the others where it is not stable (sam2, `_dynamic_multimask_via_stability`). */
  async settle(batch: DecodedBatch, choice: DecodeOptions['masks']): Promise<DecodedBatch> {
    if (choice !== 'single') return batch;
    const engine = getEngine();
    const { lowRes, model } = this;
    const pixels = lowRes ** 2;
    const [masks, iou] = await Promise.all(
      [batch.logits, batch.iou].map(async (x) => new Float32Array(await engine.read(x))),
    );
    dispose([batch.logits, batch.iou]);
    const count = batch.indices.length;
    const chosen = new Float32Array(count * pixels);
    for (let i = 0; i < count; i++) {
      const own = masks!.subarray(4 * i * pixels, 4 * (i + 1) * pixels);
      const predicted = iou!.subarray(4 * i, 4 * i + 4);
      const { mask } = model.choose({ masks: own, iou: predicted }, false, STABILITY_FALLBACK);
      chosen.set(own.subarray(mask * pixels, (mask + 1) * pixels), i * pixels);
      predicted[0] = predicted[mask]!;
    }
    return {
      indices: batch.indices,
      logits: tensor(chosen, [count, 1, lowRes, lowRes]),
      iou: tensor(iou!, [count, 4]),
    };
  }

  forgetBatches(): void {
    this.model.forgetBatches();
  }

  dispose(): void {
    if (this.owned) this.model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Corners of the box, points, and the point that every prompt ends in; nothing where there is neither. */
function allPoints({ points = [], labels = [], box }: FramePrompt) {
  const corners = box
    ? ([
        [box[0], box[1]],
        [box[2], box[3]],
      ] as const)
    : [];
  if (corners.length + points.length === 0) return { points: [], labels: [] };
  return {
    points: [...corners, ...points, [0, 0] as const],
    labels: [...(box ? [PointLabel.topLeft, PointLabel.bottomRight] : []), ...labels, PointLabel.padding],
  };
}

/** Pixels resized as floats and normalised, flat [side, side, 4] (sam2, `utils/transforms.py`). */
export function squeezed(image: PixelImage, side: number): Float32Array {
  const { height, width, data } = toRgb(image);
  const out = new Float32Array(side * side * 4);
  for (let c = 0; c < 3; c++) {
    const plane = Float32Array.from({ length: height * width }, (_, i) => data[i * 3 + c]! / 255);
    const resized = resizeMapAntialiased({ height, width, data: plane }, side, side);
    for (let i = 0; i < side * side; i++) {
      out[i * 4 + c] = (resized.data[i]! - IMAGENET.mean[c]!) / IMAGENET.std[c]!;
    }
  }
  return out;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.length * parts[0]!.length);
  for (const [i, part] of parts.entries()) out.set(part, i * part.length);
  return out;
}
