import { type PixelImage, toRgb } from '../image/index.js';
import type { Box } from '../masks/box.js';
import { placeRle, rleArea, rleBbox } from '../masks/index.js';
import { SamError } from '../sam/error.js';
import type { SamMask, SetImageOptions } from '../sam/predictor.js';
import { SamPredictor } from '../sam/predictor.js';
import type { SamPrompt } from '../sam/prompt.js';
import { byPredictedIou } from '../sam/refine.js';
import type { RefineOptions, RefiningPredictor } from '../sam/refining-predictor.js';
import { predictStroke, type Stroke, strokeEvidence } from '../sam/stroke.js';
import { cropImage, type ImageSize, type Point } from '../sam/transforms.js';
import type { SamSmallModel } from './model.js';
import { clickedPieces, withoutPieces } from './pieces.js';
import { moveLogits, type WindowLogits, windowAround } from './window.js';

/** Clicks that are taken in one after the other, each a correction of what the ones before it gave; those behind them come together. */
const MAX_CORRECTIONS = 10;
/** Windows of an image whose embedding is kept: corrections mostly stay in one. */
const WINDOWS = 2;

/** A mask as it was found in a window. */
interface Found {
  mask: SamMask;
  logits: WindowLogits;
  /** Other readings of a single click, best first. */
  others: readonly SamMask[];
}

/**
 * Segments objects of one image from prompts with `SamSmallModel`: first in the whole image, then in a window around what was found there, in
 * which small objects are large. Of several clicks each is a correction of what the ones before it gave. What a prompt gives
 * depends on nothing but image and prompt; that of its first clicks is remembered, so that a click more costs one pass.
 */
export class SmallPredictor implements RefiningPredictor {
  readonly #whole: SamPredictor;
  #image: PixelImage | undefined;
  #windows: { key: string; predictor: SamPredictor }[] = [];
  /** What the prompts of the image gave that were asked last, by prompt. */
  #known = new Map<string, Found>();

  constructor(readonly model: SamSmallModel) {
    this.#whole = new SamPredictor(model);
  }

  async setImage(image: PixelImage, options: SetImageOptions = {}): Promise<void> {
    this.reset();
    await this.#whole.setImage(image, options);
    this.#image = options.order === 'bgr' ? toRgb(image, { order: 'bgr' }) : image;
  }

  save(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#whole.save();
  }

  restore(bytes: Uint8Array, image: PixelImage): ImageSize {
    this.reset();
    this.#whole.restore(bytes);
    this.#image = image;
    return this.#whole.embedding.originalSize;
  }

  /** Masks of a prompt, best first: the one to take, and for a single click other readings of it. */
  async predict(prompt: SamPrompt, { refine: zoom = true, signal }: RefineOptions = {}): Promise<SamMask[]> {
    this.#require();
    // Each click is looked at in a window of its own, which others may lie outside of; none may lie outside of the image.
    this.#whole.check(prompt);
    const { mask, others } = await this.#find(prompt, zoom, signal);
    return [mask, ...others];
  }

  async predictStroke(
    stroke: Stroke,
    { refine: zoom = true, signal }: RefineOptions = {},
  ): Promise<(SamMask & { agreement?: number })[]> {
    const image = this.#require();
    const found = await predictStroke(this.#whole, stroke, { signal });
    const [best, ...others] = found;
    if (!zoom) return found;
    const { points, labels } = strokeEvidence(stroke, image);
    const first = { mask: best!, logits: { window: wholeOf(image), lowRes: best!.lowRes }, others };
    const { mask } = this.#withoutStrays(await this.#zoom({ points, labels }, first, signal), { points, labels });
    return [mask, ...others];
  }

  async #find(prompt: SamPrompt, zoom: boolean, signal?: AbortSignal): Promise<Found> {
    const key = JSON.stringify([prompt.points, prompt.labels, prompt.box, prompt.mask && [...prompt.mask], zoom]);
    const known = this.#known.get(key);
    if (known) return known;
    const before = prefixOf(prompt);
    const found = this.#withoutStrays(
      before
        ? await this.#correct(prompt, await this.#find(before, zoom, signal), zoom, signal)
        : await this.#first(prompt, zoom, signal),
      prompt,
    );
    if (this.#known.size > 64) this.#known.clear();
    this.#known.set(key, found);
    return found;
  }

  /** Without pieces that nobody clicked. */
  #withoutStrays(found: Found, prompt: SamPrompt): Found {
    const cleaned = clickedPieces(found.mask.mask, prompt);
    if (!cleaned) return found;
    const logits = withoutPieces(found.logits, cleaned.isGone);
    const [x, y, width, height] = rleBbox(cleaned.mask);
    const mask: SamMask = {
      ...found.mask,
      mask: cleaned.mask,
      area: rleArea(cleaned.mask),
      box: [x, y, x + width - 1, y + height - 1],
      lowRes: moveLogits(logits, wholeOf(this.#require())),
    };
    return { mask, logits, others: found.others };
  }

  /** A prompt that nothing came before. */
  async #first(prompt: SamPrompt, zoom: boolean, signal?: AbortSignal): Promise<Found> {
    const image = this.#require();
    const ambiguous = prompt.points?.length === 1 && !prompt.box && !prompt.mask;
    const masks = await this.#whole.predict(prompt, { masks: ambiguous ? 'multi' : 'single', signal });
    const [best, ...others] = byPredictedIou(masks);
    const found = { mask: best!, logits: { window: wholeOf(image), lowRes: best!.lowRes }, others };
    return zoom ? this.#zoom(prompt, found, signal) : found;
  }

  /** The second look; none where the window would be the whole image. */
  async #zoom(prompt: SamPrompt, found: Found, signal?: AbortSignal): Promise<Found> {
    const image = this.#require();
    const window = windowAround(found.mask.mask, prompt, image);
    if (isWhole(window, image)) return found;
    return { ...(await this.#pass(prompt, window, found.logits, signal)), others: found.others };
  }

  async #correct(prompt: SamPrompt, before: Found, zoom: boolean, signal?: AbortSignal): Promise<Found> {
    const image = this.#require();
    const window = zoom ? windowAround(before.mask.mask, prompt, image) : wholeOf(image);
    return this.#pass(prompt, window, before.logits, signal);
  }

  /** One pass over a window, that goes on from an earlier mask. */
  async #pass(prompt: SamPrompt, window: Box, earlier: WindowLogits, signal?: AbortSignal): Promise<Found> {
    const image = this.#require();
    const predictor = await this.#predictorOf(window, signal);
    const [mask] = await predictor.predict(
      { ...within(prompt, window), mask: moveLogits(earlier, window) },
      { masks: 'single', signal },
    );
    const logits = { window, lowRes: mask!.lowRes };
    if (isWhole(window, image)) return { mask: mask!, logits, others: [] };
    const [x, y] = window;
    const [x0, y0, x1, y1] = mask!.box;
    const placed: SamMask = {
      ...mask!,
      mask: placeRle(mask!.mask, [x, y], [image.height, image.width]),
      box: mask!.area > 0 ? [x0 + x, y0 + y, x1 + x, y1 + y] : mask!.box,
      lowRes: moveLogits(logits, wholeOf(image)),
    };
    return { mask: placed, logits, others: [] };
  }

  async #predictorOf(window: Box, signal?: AbortSignal): Promise<SamPredictor> {
    const image = this.#require();
    if (isWhole(window, image)) return this.#whole;
    const key = window.join();
    const known = this.#windows.find((entry) => entry.key === key);
    if (known) return known.predictor;
    const predictor = this.#windows.length >= WINDOWS ? this.#windows.shift()!.predictor : new SamPredictor(this.model);
    await predictor.setImage(cropImage(image, window), { signal });
    this.#windows.push({ key, predictor });
    return predictor;
  }

  #require(): PixelImage {
    if (!this.#image) throw new SamError('no-image', 'There is no image: call setImage first.');
    return this.#image;
  }

  /** Forgets the image. */
  reset(): void {
    this.#image = undefined;
    this.#known.clear();
    this.#whole.reset();
    for (const { predictor } of this.#windows) predictor.reset();
    this.#windows = [];
  }

  /** Forgets the image. The model stays. */
  dispose(): void {
    this.reset();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const wholeOf = ({ width, height }: ImageSize): Box => [0, 0, width, height];
const isWhole = ([x0, y0, x1, y1]: Box, { width, height }: ImageSize): boolean =>
  x0 === 0 && y0 === 0 && x1 === width && y1 === height;

/** The prompt that a prompt's last click corrects; undefined where there is none. */
function prefixOf({ points = [], labels = [], box, mask }: SamPrompt): SamPrompt | undefined {
  if (points.length <= (box || mask ? 0 : 1)) return undefined;
  const rest = Math.min(points.length - 1, MAX_CORRECTIONS);
  return {
    ...(rest > 0 ? { points: points.slice(0, rest), labels: labels.slice(0, rest) } : {}),
    ...(box ? { box } : {}),
    ...(mask ? { mask } : {}),
  };
}

/** A prompt in a window's own pixels; clicks outside of it are left out. */
function within({ points = [], labels = [], box }: SamPrompt, [x0, y0, x1, y1]: Box): SamPrompt {
  const seen = points.flatMap(([x, y], i) =>
    x >= x0 && y >= y0 && x < x1 && y < y1 ? [{ point: [x - x0, y - y0] as Point, label: labels[i]! }] : [],
  );
  const shown: SamPrompt = {
    ...(seen.length > 0 ? { points: seen.map(({ point }) => point), labels: seen.map(({ label }) => label) } : {}),
    ...(box ? { box: [box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0] as Box } : {}),
  };
  return shown;
}
