import { type Engine, getEngine } from '@samtrack/kernels';
import {
  decodeRle,
  type PromptModel,
  type RefiningPredictor,
  type Rle,
  type SamMask,
  segmentEverything,
} from '@samtrack/models';
import type { RgbaImage } from '../io/index.js';
import type { WeightsOptions } from '../io/weights.js';
import { EVERYTHING_DEFAULTS } from './defaults.js';
import type { EverythingOptions, EverythingRecord, MaskCandidate, Segmenter, SegmentPrompt } from './types.js';

/** Options of the segmenters that read their weights themselves. */
export type SegmenterOptions = Omit<WeightsOptions, 'signal'>;

const pixels = ({ width, height, rgba }: RgbaImage) => ({ width, height, data: rgba });

/** Logit that a given mask is shown to the network with: its own masks are about as sure. */
const GIVEN_LOGIT = 8;

/**
 * A network with Segment Anything's prompts as the segmenter of sessions and modes. Weights are read when something is first asked, to
 * the GPU that is open then, and once more when another one has been opened since, such as after the loss of the device.
 */
export abstract class PromptSegmenter implements Segmenter {
  abstract readonly name: string;
  #loaded: { runtime: Engine; predictor: RefiningPredictor } | undefined;
  #image: RgbaImage | undefined;
  #encodedBy: RefiningPredictor | undefined;
  #disposed = false;

  /** Reads the weights to the GPU. @throws CheckpointError for unsuitable ones */
  protected abstract load(signal: AbortSignal | undefined): Promise<RefiningPredictor>;

  /** @throws CheckpointError for unsuitable weights; SamError for an image that is too thin; the signal's reason. */
  async setImage(image: RgbaImage, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const predictor = await this.#ready(signal);
    const same = this.#encodedBy === predictor && this.#image?.rgba === image.rgba;
    this.#image = image;
    if (same) return;
    this.#encodedBy = undefined;
    await predictor.setImage(pixels(image), { signal });
    this.#encodedBy = predictor;
  }

  /** @throws SamError for a prompt outside the image, and before there is an image; the signal's reason. */
  async predict(
    { points, labels = points?.map(() => 1), box, mask, stroke }: SegmentPrompt,
    { refine = true, signal }: { refine?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<MaskCandidate[]> {
    const predictor = await this.#ready(signal);
    if (this.#image) await this.setImage(this.#image, { signal });
    const found = stroke
      ? await predictor.predictStroke({ points: stroke }, { refine, signal })
      : await predictor.predict(
          {
            ...(points ? { points, labels } : {}),
            ...(box ? { box } : {}),
            ...(mask ? { mask: lowResLogits(mask, predictor.model) } : {}),
          },
          { refine, signal },
        );
    return found.map(({ mask: rle, predictedIou, agreement = 1 }: SamMask & { agreement?: number }) => ({
      mask: rle,
      score: predictedIou * agreement,
    }));
  }

  /** @throws SamError naming the option that is out of its range; the signal's reason. */
  async everything(image: RgbaImage, options: EverythingOptions = {}): Promise<EverythingRecord[]> {
    const { model } = await this.#ready(options.signal);
    const records = await segmentEverything(model, pixels(image), {
      ...EVERYTHING_DEFAULTS,
      cropNPointsDownscaleFactor: 2,
      ...model.everything,
      ...defined(options),
      outputMode: 'uncompressed_rle',
    });
    return records
      .map(({ segmentation: mask, predictedIou: score, stabilityScore: stability, area, bbox }) => ({
        mask,
        score,
        stability,
        area,
        bbox,
      }))
      .sort((a, b) => b.score - a.score);
  }

  dispose(): void {
    this.#disposed = true;
    this.#free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #ready(signal: AbortSignal | undefined): Promise<RefiningPredictor> {
    if (this.#disposed) throw new Error('This segmenter was disposed.');
    const runtime = getEngine();
    if (this.#loaded?.runtime === runtime) return this.#loaded.predictor;
    this.#free();
    const predictor = await this.load(signal);
    this.#loaded = { runtime, predictor };
    return predictor;
  }

  #free(): void {
    const predictor = this.#loaded?.predictor;
    predictor?.dispose();
    predictor?.model.dispose();
    this.#loaded = undefined;
    this.#encodedBy = undefined;
  }
}

/** Without options that are there but undefined. */
const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** A mask as the network takes it: logits of the frame that the image lies in, sampled at the nearest pixel. */
function lowResLogits(mask: Rle, { lowRes: side, squeezes }: Pick<PromptModel, 'lowRes' | 'squeezes'>): Float32Array {
  const [height, width] = mask.size;
  const inside = decodeRle(mask);
  const longer = Math.max(width, height);
  const [scaleX, scaleY] = [(squeezes ? width : longer) / side, (squeezes ? height : longer) / side];
  const logits = new Float32Array(side * side).fill(-GIVEN_LOGIT);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [sourceX, sourceY] = [Math.floor((x + 0.5) * scaleX), Math.floor((y + 0.5) * scaleY)];
      if (sourceX < width && sourceY < height && inside[sourceY * width + sourceX]) logits[y * side + x] = GIVEN_LOGIT;
    }
  }
  return logits;
}
