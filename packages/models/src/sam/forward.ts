import type { PixelImage } from '../image/index.js';
import { type PredictOptions, type SamMask, SamPredictor } from './predictor.js';
import type { SamPrompt } from './prompt.js';
import type { PromptModel } from './prompt-model.js';
import type { ImageSize } from './transforms.js';

/** One image and what is asked about it. */
export interface SamInput {
  /** Resized, its longer side to the network's `imageSize`. */
  image: PixelImage;
  /** What it was resized from, and what masks are made for. */
  originalSize: ImageSize;
  /** In pixels of the resized image; none asks for the most salient object. */
  prompts?: readonly SamPrompt[];
}

/**
 * Images and prompts in one call (segment-anything, `Sam.forward`): images one after the other, the prompts of each in as
 * few passes as possible.
 *
 * @returns For each image the masks of each of its prompts.
 * @throws as `SamPredictor.setResizedImage` and `SamPredictor.predictBatch`.
 */
export async function samForward(
  model: PromptModel,
  inputs: readonly SamInput[],
  { onProgress, ...options }: Omit<PredictOptions, 'coordinates'> = {},
): Promise<SamMask[][][]> {
  const predictor = new SamPredictor(model);
  const results: SamMask[][][] = [];
  try {
    for (const { image, originalSize, prompts = [{}] } of inputs) {
      await predictor.setResizedImage(image, originalSize, { signal: options.signal });
      results.push(await predictor.predictBatch(prompts, { ...options, coordinates: 'frame' }));
      onProgress?.(results.length / inputs.length);
    }
    return results;
  } finally {
    predictor.dispose();
  }
}
