import { getEngine, type MaskPlan, makeMaskPlan } from '@samtrack/kernels';
import { dispose } from '@tensorflow/tfjs-core';
import { channelsOf, type PixelImage, toRgb } from '../image/index.js';
import type { Rle } from '../masks/index.js';
import { loadEmbedding, type SamEmbedding, saveEmbedding } from './embedding.js';
import { SamError } from './error.js';
import { framePrompt, type SamPrompt } from './prompt.js';
import { chosenIou, type MaskChoice, type PreparedImage, type PromptModel } from './prompt-model.js';
import { type MaskLevels, type MaskMeasures, measureMasks, readLogits, readMasks } from './read-masks.js';
import { type ImageSize, longestSideSize } from './transforms.js';

/** One mask of an object, of the image's size. */
export interface SamMask extends MaskMeasures {
  mask: Rle;
  /** IoU with the true mask, as the network predicts it; about 0..1. */
  predictedIou: number;
  /** Logits at the network's resolution: the `mask` of another prompt. */
  lowRes: Float32Array;
  /** Logits at the image's size, row by row, where they were asked for. */
  logits?: Float32Array;
}

/** Options of `SamPredictor.setImage`. */
export interface SetImageOptions {
  /** Order of the image's colours; `rgb` by default. */
  order?: 'rgb' | 'bgr' | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share that is done, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Options of `SamPredictor.predict`. */
export interface PredictOptions extends MaskLevels {
  /**
   * `multi`, the default: three masks for prompts that may mean several things, such as one click. `single`: the one for
   * clear prompts. `all`: that one, then the three.
   */
  masks?: MaskChoice | undefined;
  /** Also returns logits at the image's size; false by default. */
  logits?: boolean | undefined;
  /** What prompts are given in: pixels of the `image`, the default, or of the resized image in the network's `frame`. */
  coordinates?: 'image' | 'frame' | undefined;
  /** Reads points of label 2 and 3 as corners, and appends no point: the prompts of the published ONNX models. */
  cornerLabels?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the prompts that is done, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

interface State {
  embedding: SamEmbedding;
  image: PreparedImage;
  plan: MaskPlan;
}

/**
 * Segments objects of one image from prompts (segment-anything, `predictor.py`). The image is encoded once; every prompt
 * after that is a pass of the small decoder.
 *
 *     const predictor = new SamPredictor(model);
 *     await predictor.setImage(image);
 *     const [whole, part, subpart] = await predictor.predict({ points: [[320, 200]], labels: [1] });
 */
export class SamPredictor {
  #state: State | undefined;

  constructor(readonly model: PromptModel) {}

  /**
   * Encodes an image; the one before is forgotten, also when this one fails.
   * @param image Grey, RGB or RGBA.
   * @throws ImageError when the image is malformed, SamError `image` when it is too thin, or the signal's reason.
   */
  async setImage(image: PixelImage, options: SetImageOptions = {}): Promise<void> {
    const { signal, onProgress } = options;
    this.reset();
    signal?.throwIfAborted();
    channelsOf(image);
    longestSideSize(image, this.model.imageSize);
    onProgress?.(0.1);
    await this.#encode(options.order === 'bgr' ? toRgb(image, { order: 'bgr' }) : image, image, options);
  }

  /**
   * Encodes an image that is resized already, its longer side to the network's `imageSize`.
   * @param originalSize What it was resized from, and what masks are made for.
   * @throws SamError `image` when it has another size.
   */
  async setResizedImage(
    image: PixelImage,
    originalSize: ImageSize,
    { signal, onProgress }: Omit<SetImageOptions, 'order'> = {},
  ): Promise<void> {
    const { imageSize } = this.model;
    this.reset();
    channelsOf(image);
    if (Math.max(image.width, image.height) !== imageSize) {
      const size = `${image.width}x${image.height}`;
      throw new SamError('image', `The longer side of ${size} pixels is not the network's ${imageSize}.`);
    }
    await this.#encode(image, originalSize, { signal, onProgress });
  }

  async #encode(
    image: PixelImage,
    originalSize: ImageSize,
    { signal, onProgress }: Omit<SetImageOptions, 'order'>,
  ): Promise<void> {
    signal?.throwIfAborted();
    this.#adopt(this.model.encode(image, originalSize));
    try {
      await getEngine().finish();
      signal?.throwIfAborted();
    } catch (error) {
      this.reset();
      throw error;
    }
    onProgress?.(1);
  }

  /** Takes over an embedding and its tensors. */
  #adopt(embedding: SamEmbedding): void {
    this.reset();
    const { lowRes, imageSize, maskFrame = imageSize } = this.model;
    const { inputSize, originalSize } = embedding;
    const input = scaleSize(inputSize, maskFrame / imageSize);
    const geometry = { side: lowRes, frame: maskFrame, input, output: originalSize };
    this.#state = { embedding, image: this.model.prepare(embedding), plan: makeMaskPlan(geometry) };
  }

  get hasImage(): boolean {
    return this.#state !== undefined;
  }

  /**
   * The embedding of the image, with its sizes. Belongs to the predictor.
   * @throws SamError `no-image`
   */
  get embedding(): SamEmbedding {
    return this.#require().embedding;
  }

  /** What masks of the image are resampled with, and what its prompts share. Belongs to the predictor. @throws SamError `no-image` */
  get prepared(): { image: PreparedImage; plan: MaskPlan } {
    return this.#require();
  }

  /** The embedding as bytes, for `restore`. @throws SamError `no-image` */
  save(): Promise<Uint8Array<ArrayBuffer>> {
    return saveEmbedding(this.#require().embedding, this.model);
  }

  /**
   * Restores what `save` wrote instead of encoding an image again.
   * @throws SamError `embedding` for other bytes, damaged ones, or those of other weights.
   */
  restore(bytes: Uint8Array): void {
    this.#adopt(loadEmbedding(bytes, this.model));
  }

  /** Forgets the image. */
  reset(): void {
    const state = this.#state;
    this.#state = undefined;
    if (!state) return;
    dispose([...state.embedding.features]);
    state.image.dispose();
    state.plan.dispose();
  }

  #require(): State {
    if (!this.#state) throw new SamError('no-image', 'There is no image: call setImage or restore first.');
    return this.#state;
  }

  /**
   * Masks of one prompt, in the order in which the network gives them.
   * @throws SamError `no-image`, `prompt`; the signal's reason.
   */
  async predict(prompt: SamPrompt, options: PredictOptions = {}): Promise<SamMask[]> {
    return (await this.#run([prompt], options, () => 'The prompt'))[0]!;
  }

  /**
   * Masks of many prompts, each for itself, in few passes.
   * @throws SamError `no-image`, `prompt` naming which; the signal's reason.
   */
  async predictBatch(prompts: readonly SamPrompt[], options: PredictOptions = {}): Promise<SamMask[][]> {
    try {
      return await this.#run(prompts, options, (i) => `Prompt ${i}`);
    } finally {
      this.model.forgetBatches();
    }
  }

  /**
   * Refuses a prompt that `predict` would refuse, without a pass.
   * @throws SamError `no-image`, `prompt`
   */
  check(prompt: SamPrompt, options: Pick<PredictOptions, 'coordinates' | 'cornerLabels'> = {}): void {
    framePrompt(prompt, this.#frame(options));
  }

  #frame({ coordinates = 'image', cornerLabels = false }: Pick<PredictOptions, 'coordinates' | 'cornerLabels'>) {
    const { originalSize, inputSize } = this.#require().embedding;
    const imageSize = coordinates === 'image' ? originalSize : inputSize;
    return { imageSize, inputSize, lowRes: this.model.lowRes, cornerLabels };
  }

  async #run(
    prompts: readonly SamPrompt[],
    options: PredictOptions,
    name: (index: number) => string,
  ): Promise<SamMask[][]> {
    const { embedding, image, plan } = this.#require();
    const { masks: choice = 'multi', cornerLabels = false, signal, onProgress } = options;
    const frame = this.#frame(options);
    const framed = prompts.map((prompt, i) => framePrompt(prompt, frame, name(i)));
    signal?.throwIfAborted();
    const results: SamMask[][] = prompts.map(() => []);
    let done = 0;
    for (const decoded of image.decode(framed, { masks: choice, cornerLabels })) {
      const { indices, logits, iou } = (await this.model.settle?.(decoded, choice)) ?? decoded;
      try {
        const count = logits.shape[1]!;
        const all = Array.from({ length: indices.length * count }, (_, i) => i);
        const runtime = getEngine();
        // All at once: each of them waits for the GPU alone.
        const [iouBytes, lowResBytes, measures, masks, values] = await Promise.all([
          runtime.read(iou),
          runtime.read(logits),
          measureMasks(logits, plan, options),
          readMasks(logits, plan, all, options),
          options.logits ? readLogits(logits, plan, all) : [],
        ]);
        const ious = new Float32Array(iouBytes);
        const lowRes = new Float32Array(lowResBytes);
        const pixels = lowRes.length / all.length;
        for (const [row, index] of indices.entries()) {
          results[index] = Array.from(chosenIou(ious, row, choice), (predictedIou, k) => {
            const i = row * count + k;
            return {
              mask: masks[i]!,
              predictedIou,
              lowRes: lowRes.slice(i * pixels, (i + 1) * pixels),
              ...measures[i]!,
              ...(options.logits ? { logits: values[i]! } : {}),
            };
          });
        }
      } finally {
        logits.dispose();
        iou.dispose();
      }
      signal?.throwIfAborted();
      done += indices.length;
      onProgress?.(done / prompts.length);
      if (done < prompts.length && this.#state?.embedding !== embedding) {
        throw new SamError('no-image', 'The image was replaced during a prediction.');
      }
    }
    return results;
  }

  /** Forgets the image. The model stays. */
  dispose(): void {
    this.reset();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const scaleSize = ({ height, width }: ImageSize, factor: number): ImageSize => ({
  height: height * factor,
  width: width * factor,
});
