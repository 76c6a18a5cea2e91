import type { Tensor } from '@tensorflow/tfjs-core';
import { disposeAll } from '../nn/tidy.js';
import type { ImageFeatures } from './image-encoder.js';
import type { AttentionStart } from './memory-attention.js';
import type { Sam2Model } from './model.js';

/** What all objects of a frame share, computed when it is first needed. */
export class FrameFeatures {
  readonly image: ImageFeatures;
  #attention: AttentionStart | undefined;
  #memory: Tensor | undefined;

  /** @param input float32 [imageSize, imageSize, 4], normalised; stays the caller's. */
  constructor(
    private readonly model: Sam2Model,
    readonly frame: number,
    input: Tensor,
  ) {
    this.image = model.encode(input);
  }

  /** Where memory attention begins. */
  get attention(): AttentionStart {
    this.#attention ??= this.model.beginAttention(this.image.features);
    return this.#attention;
  }

  /** Where memories begin, float32 [n^2, 256]. */
  get memory(): Tensor {
    this.#memory ??= this.model.projectForMemory(this.image.features);
    return this.#memory;
  }

  dispose(): void {
    disposeAll(this.image, this.#attention, this.#memory);
    this.#attention = undefined;
    this.#memory = undefined;
  }
}
