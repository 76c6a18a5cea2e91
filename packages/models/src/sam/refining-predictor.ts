import type { PixelImage } from '../image/index.js';
import type { SamMask, SamPredictor, SetImageOptions } from './predictor.js';
import type { SamPrompt } from './prompt.js';
import type { PromptModel } from './prompt-model.js';
import { byPredictedIou, predictRefined } from './refine.js';
import { predictStroke, type Stroke } from './stroke.js';
import type { ImageSize } from './transforms.js';

/** How a prompt is answered. */
export interface RefineOptions {
  /** Looks at the best mask a second time; true by default. */
  refine?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Segments objects of one image: each network in the way that suits it. */
export interface RefiningPredictor {
  readonly model: PromptModel;
  /** Encodes an image; the one before is forgotten. @throws as `SamPredictor.setImage` */
  setImage(image: PixelImage, options?: SetImageOptions): Promise<void>;
  /** The embedding of the image as bytes. @throws SamError `no-image` */
  save(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Restores what `save` wrote instead of encoding the image again.
   * @returns the size of the image that it is of
   * @throws SamError `embedding` for other bytes, damaged ones, or those of other weights
   */
  restore(bytes: Uint8Array, image: PixelImage): ImageSize;
  /** Masks of a prompt, best first. @throws SamError `no-image`, `prompt`; the signal's reason */
  predict(prompt: SamPrompt, options?: RefineOptions): Promise<SamMask[]>;
  /** Masks of what a line was drawn over, best first. @throws the same */
  predictStroke(stroke: Stroke, options?: RefineOptions): Promise<(SamMask & { agreement?: number })[]>;
  /** Forgets the image; the model stays. */
  dispose(): void;
}

/** Segment Anything, asked as SAM-Track asks it: the best mask is shown to the network together with the prompt. */
export class SamRefiningPredictor implements RefiningPredictor {
  constructor(private readonly predictor: SamPredictor) {}

  get model(): PromptModel {
    return this.predictor.model;
  }

  setImage(image: PixelImage, options?: SetImageOptions): Promise<void> {
    return this.predictor.setImage(image, options);
  }

  save(): Promise<Uint8Array<ArrayBuffer>> {
    return this.predictor.save();
  }

  restore(bytes: Uint8Array): ImageSize {
    this.predictor.restore(bytes);
    return this.predictor.embedding.originalSize;
  }

  async predict(prompt: SamPrompt, { refine = true, signal }: RefineOptions = {}): Promise<SamMask[]> {
    if (refine) return predictRefined(this.predictor, prompt, { signal });
    return byPredictedIou(await this.predictor.predict(prompt, { signal }));
  }

  predictStroke(stroke: Stroke, { signal }: RefineOptions = {}): Promise<(SamMask & { agreement?: number })[]> {
    return predictStroke(this.predictor, stroke, { signal });
  }

  dispose(): void {
    this.predictor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
