import type { Tensor } from '@tensorflow/tfjs-core';
import type { PixelImage } from '../image/index.js';
import type { EmbeddingOwner, SamEmbedding } from './embedding.js';
import type { EverythingOptions } from './everything-options.js';
import type { FramePrompt, SparseOptions } from './point-embedder.js';
import type { ImageSize } from './transforms.js';

/** Which of the four masks to decode: `single` the first, `multi` the three alternatives, `all` both. */
export type MaskChoice = 'single' | 'multi' | 'all';

/** First mask and number of masks. */
export const MASK_CHOICES: Record<MaskChoice, readonly [first: number, count: number]> = {
  single: [0, 1],
  multi: [1, 3],
  all: [0, 4],
};

/** IoU columns of the masks that were decoded: row `row` of `values`, [P, 4]. */
export function chosenIou(values: Float32Array, row: number, choice: MaskChoice): Float32Array {
  const [first, count] = MASK_CHOICES[choice];
  return values.slice(row * 4 + first, row * 4 + first + count);
}

/** A prompt in the frame, with a mask to start from: logits of `lowRes` x `lowRes`, row by row. */
export interface MaskedPrompt extends FramePrompt {
  mask?: Float32Array | undefined;
}

/** What one pass of the decoder made of some prompts; the tensors belong to the receiver. */
export interface DecodedBatch {
  /** Positions in the list of prompts. */
  indices: number[];
  /** float32 [P, masks, lowRes, lowRes]. */
  logits: Tensor;
  /** Predicted IoU of all four masks, float32 [P, 4]. */
  iou: Tensor;
}

/** How prompts are decoded. */
export interface DecodeOptions extends SparseOptions {
  masks: MaskChoice;
}

/** An image that prompts can be decoded against. */
export interface PreparedImage {
  /**
   * Decodes prompts, as many at a time as fit. The order of the results is by pass, `indices` tells whose they are.
   */
  decode(prompts: readonly MaskedPrompt[], options: DecodeOptions): Generator<DecodedBatch, void, undefined>;
  /** Frees what the prompts of the image share; the embedding stays. */
  dispose(): void;
}

/** A network that makes masks of what prompts show in an image: Segment Anything, or another with its prompts and masks. */
export interface PromptModel extends EmbeddingOwner {
  /** Side of the square frame that images are fitted into, in pixels. */
  readonly imageSize: number;
  /** Side of mask logits and mask prompts. */
  readonly lowRes: number;
  /** Whether images are squeezed to the square frame, where others keep their aspect and lie at its upper left. */
  readonly squeezes?: boolean;
  /** Defaults of `segmentEverything` that are the model's own. */
  readonly everything?: Pick<EverythingOptions, 'predIouThresh' | 'stabilityScoreThresh'>;
  /** Side of the frame that masks are enlarged to before they are fitted to the image; `imageSize` by default. */
  readonly maskFrame?: number;
  /**
   * Encodes an image, resized so that its longer side has `imageSize` pixels.
   * @param originalSize What masks are made for; the image's own size by default, another one if it was resized already.
   * @throws ImageError when the image is malformed, SamError `image` when it is too thin.
   */
  encode(image: PixelImage, originalSize?: ImageSize): SamEmbedding;
  /** Prepares an embedding for prompts. It stays the caller's, and is there as long as it is prompted. */
  prepare(embedding: SamEmbedding): PreparedImage;
  /** Decides what needs the CPU to look at a batch; takes it over. Missing where `decode` says all. */
  settle?(batch: DecodedBatch, choice: MaskChoice): Promise<DecodedBatch>;
  /** Frees what is kept for more batches of prompts to come; a single prompt stays fast. */
  forgetBatches(): void;
  /** Frees the weights. */
  dispose(): void;
}
