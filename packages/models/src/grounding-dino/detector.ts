import { SerialQueue } from '@samtrack/kernels/common';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import { channelsOf, type PixelImage } from '../image/index.js';
import type { Box } from '../masks/box.js';
import { nonMaximumSuppression } from '../masks/index.js';
import { BoundedCache } from '../nn/bounded-cache.js';
import { boxArea, clipBox } from './boxes.js';
import { type ImageSizeOptions, imageTensor } from './image-input.js';
import { boxInPixels, findIn } from './postprocess.js';
import { questionsFor, type Wanted } from './request.js';
import { type CaptionTokens, loadTokenizer } from './text/index.js';
import type { ImageFeatures, RawDetections, TextFeatures } from './types.js';

/** The network behind a detector; `GroundingDino` is one. */
export interface GroundingNetwork {
  /** @param image float32 [h, w, 4], normalised, the fourth channel zero. */
  encodeImage(image: Tensor3D): ImageFeatures;
  /** The features of a caption, for any number of images. */
  encodeText(caption: CaptionTokens): TextFeatures;
  /** Boxes and scores of all queries. */
  detect(
    image: ImageFeatures,
    text: TextFeatures,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<RawDetections>;
}

/** An option out of its range, a detector that is gone, or a network whose output is not a number. */
export class DetectorError extends Error {
  override readonly name = 'DetectorError';
  constructor(
    readonly code: 'bad-option' | 'disposed' | 'not-finite',
    message: string,
  ) {
    super(message);
  }
}

/** Options of `GroundingDetector`. */
export interface DetectorOptions extends ImageSizeOptions {
  /** Pictures whose features are kept on the GPU, about 25 MB each; 1 by default, and at least. */
  cachedImages?: number | undefined;
  /** Captions whose features are kept on the GPU, 0.3 MB each at most; 16 by default, 1 at least. */
  cachedCaptions?: number | undefined;
}

/** Options of `GroundingDetector.detect`. */
export interface GroundingOptions {
  /** Least score of a box, exclusive, 0..1; 0.35 by default. */
  boxThreshold?: number | undefined;
  /** Least score of a word of a phrase, exclusive, 0..1; 0.25 by default. */
  textThreshold?: number | undefined;
  /** Keeps phrases within one sub-sentence of the caption; off by default. */
  removeCombined?: boolean | undefined;
  /** Drops boxes that overlap better ones by more than this IoU, whatever they show. Off by default, as published. */
  nms?: number | undefined;
  /** Drops boxes that cover more than this share of the picture, 0..1. Off by default. */
  maxBoxShare?: number | undefined;
  /** Keeps this many of the best; all by default. */
  limit?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share that is done, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** What was found at one place. */
export interface GroundedDetection {
  /** In pixels of the picture; as published, it may reach beyond its edges. */
  readonly box: Box;
  /** 0..1. */
  readonly score: number;
  /** Words of the caption. Empty where the box passed its threshold and no word passed its own. */
  readonly phrase: string;
  /** Number of the class or phrase among those asked for; missing for a caption, or where a phrase names no class. */
  readonly index?: number;
  /** Which of the captions asked, and which of the network's queries. */
  readonly caption: number;
  readonly query: number;
}

/** The answer to one request. */
export interface GroundingResult {
  /** In descending score; empty if nothing is found. */
  readonly detections: readonly GroundedDetection[];
  /** What the network was asked, and how many tokens of it were beyond its 256. */
  readonly captions: readonly { readonly text: string; readonly cut: number }[];
}

const BOX_THRESHOLD = 0.35;
const TEXT_THRESHOLD = 0.25;

/**
 * Finds objects by a text (Liu et al., "Grounding DINO", 2023), as GroundingDINO's `util/inference.py` and its command-line tools do.
 *
 *     const { detections } = await detector.detect(image, { text: 'a cat. a remote control.' });
 *
 * The features of recent pictures and captions are kept, so asking one picture for many things runs the backbone once.
 * Pictures are told apart by their contents. Requests are answered one after another.
 */
export class GroundingDetector {
  readonly #images: BoundedCache<ImageFeatures>;
  readonly #texts: BoundedCache<TextFeatures>;
  readonly #requests = new SerialQueue();
  #disposed = false;

  /** @param network Stays the caller's: the detector disposes the features that it keeps, not the network. */
  constructor(
    private readonly network: GroundingNetwork,
    private readonly options: DetectorOptions = {},
  ) {
    const { cachedImages = 1, cachedCaptions = 16 } = options;
    this.#images = new BoundedCache(Math.max(1, cachedImages), (features) => features.dispose());
    this.#texts = new BoundedCache(Math.max(1, cachedCaptions), ({ features }) => void features.dispose());
  }

  /**
   * Looks for what is wanted in a picture.
   * @throws CaptionError for a text that cannot be asked for; ImageError for a malformed picture; DetectorError for an option
   * out of its range; the signal's reason when aborted.
   */
  async detect(image: PixelImage, wanted: Wanted & GroundingOptions): Promise<GroundingResult> {
    if (this.#disposed) throw new DetectorError('disposed', 'This detector was disposed.');
    return this.#requests.run(() => this.#detect(image, wanted));
  }

  async #detect(image: PixelImage, wanted: Wanted & GroundingOptions): Promise<GroundingResult> {
    const { boxThreshold = BOX_THRESHOLD, textThreshold = TEXT_THRESHOLD, removeCombined, signal, onProgress } = wanted;
    signal?.throwIfAborted();
    checkOptions(wanted);
    channelsOf(image);
    const tokenizer = await loadTokenizer();
    const questions = questionsFor(wanted, tokenizer);
    const progress = (done: number) => onProgress?.(done / (1 + 2 * questions.length));

    const features = this.#imageFeatures(image);
    progress(1);
    const found: GroundedDetection[] = [];
    for (const [caption, question] of questions.entries()) {
      signal?.throwIfAborted();
      const text = this.#textFeatures(question.tokens);
      progress(2 * caption + 2);
      const raw = await this.network.detect(features, text, { signal });
      checkFinite(raw);
      for (const one of findIn(raw, question, tokenizer, { boxThreshold, textThreshold, removeCombined })) {
        found.push({ ...one, caption, box: boxInPixels(raw, one.query, image) });
      }
      progress(2 * caption + 3);
    }
    signal?.throwIfAborted();
    return {
      detections: select(found, image, wanted),
      captions: questions.map(({ tokens: { text, cut } }) => ({ text, cut })),
    };
  }

  #imageFeatures(image: PixelImage): ImageFeatures {
    const key = contentKey(image);
    let features = this.#images.get(key);
    if (!features) {
      const input = imageTensor(image, this.options);
      features = this.network.encodeImage(input);
      input.dispose();
      this.#images.set(key, features);
    }
    return features;
  }

  #textFeatures(caption: CaptionTokens): TextFeatures {
    let features = this.#texts.get(caption.text);
    if (!features) {
      features = this.network.encodeText(caption);
      this.#texts.set(caption.text, features);
    }
    return features;
  }

  /** Frees the features that are kept, once the requests under way are answered. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    void this.#requests.run(() => {
      this.#images.clear();
      this.#texts.clear();
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The best of what was found. */
function select(found: GroundedDetection[], image: PixelImage, options: GroundingOptions): GroundedDetection[] {
  const { nms, maxBoxShare, limit } = options;
  let kept = found.sort((a, b) => b.score - a.score);
  if (maxBoxShare !== undefined) {
    const most = maxBoxShare * image.width * image.height;
    kept = kept.filter(({ box }) => boxArea(clipBox(box, image)) <= most);
  }
  if (nms !== undefined) {
    const best = nonMaximumSuppression(
      kept.map(({ box }) => box),
      kept.map(({ score }) => score),
      nms,
    );
    kept = best.map((i) => kept[i]!);
  }
  return kept.slice(0, limit);
}

function checkOptions(options: GroundingOptions): void {
  for (const name of ['boxThreshold', 'textThreshold', 'nms', 'maxBoxShare'] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 0 && value <= 1)) {
      throw new DetectorError('bad-option', `${name} is a number from 0 to 1, not ${value}.`);
    }
  }
  const { limit } = options;
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) {
    throw new DetectorError('bad-option', `limit is a positive whole number, not ${limit}.`);
  }
}

/** Masked tokens have -Infinity; anything else that is no number would look like an empty answer. */
function checkFinite({ logits, boxes }: RawDetections): void {
  if (logits.some((logit) => Number.isNaN(logit) || logit === Number.POSITIVE_INFINITY) || boxes.some(Number.isNaN)) {
    throw new DetectorError('not-finite', 'The network gave scores or boxes that are no numbers.');
  }
}

/** Tells pictures apart: their size and 64 bits of hash, two multiplicative hashes of their bytes. */
function contentKey({ width, height, data }: PixelImage): string {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (let i = 0; i < data.length; i += 4) {
    const word = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    a = Math.imul(a ^ word, 0x01000193) ^ (a >>> 15);
    b = Math.imul(b + word, 0x85ebca6b) ^ (b >>> 13);
  }
  return [width, height, data.length, a, b].join(' ');
}
