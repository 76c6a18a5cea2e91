import { getEngine } from '@samtrack/kernels';
import { dispose, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type PixelImage, toRgb } from '../image/index.js';
import type { Box } from '../masks/box.js';
import {
  type CompressedRle,
  compressRle,
  decodeRle,
  encodeRle,
  fillHoles,
  nonMaximumSuppression,
  placeRle,
  type Rle,
  removeIslands,
  rleArea,
  rleBbox,
} from '../masks/index.js';
import { components8 } from '../masks/regions.js';
import { type Crop, cropBoxes, touchesCropEdge } from './crops.js';
import { type EverythingOptions, type OutputMode, type ResolvedOptions, resolveOptions } from './everything-options.js';
import { SamPredictor } from './predictor.js';
import { clampedPrompt } from './prompt.js';
import { chosenIou, type DecodedBatch, type MaskChoice, type PromptModel } from './prompt-model.js';
import { measureMasks, readMasks } from './read-masks.js';
import { cropImage, type ImageSize, type Point, scalePoint } from './transforms.js';

/** One mask of `segmentEverything`; fields are those of segment-anything's records. */
export interface EverythingRecord<Mode extends OutputMode = OutputMode> {
  /** Of the image's size. */
  segmentation: Mode extends 'binary_mask' ? Uint8Array : Mode extends 'uncompressed_rle' ? Rle : CompressedRle;
  /** Pixels. */
  area: number;
  /** Left, top, width, height; the last column and row of the mask lie at left + width and top + height. */
  bbox: readonly [x: number, y: number, width: number, height: number];
  predictedIou: number;
  /** The point that gave the mask, in pixels. */
  pointCoords: readonly [Point];
  stabilityScore: number;
  /** The crop that it was found in: left, top, width, height. */
  cropBox: readonly [x: number, y: number, width: number, height: number];
}

/** A mask on its way through the filters, in pixels of the image. */
interface Candidate {
  mask: Rle;
  box: Box;
  predictedIou: number;
  stability: number;
  point: Point;
  crop: Box;
}

const pick = <T>(items: readonly T[], indices: readonly number[]): T[] => indices.map((i) => items[i]!);

/**
 * All masks of an image, from a grid of points on it and on crops of it (segment-anything,
 * `automatic_mask_generator.py`): three masks a point, filtered by predicted IoU and by stability, without those that a crop
 * cut off, and without doubles. Memory does not depend on how many images were segmented before.
 *
 * @returns Best first, as the last suppression of doubles leaves them.
 * @throws SamError `option` naming the option; ImageError; the signal's reason.
 */
export async function segmentEverything<Mode extends OutputMode = 'binary_mask'>(
  model: PromptModel,
  image: PixelImage,
  options: EverythingOptions & { outputMode?: Mode } = {},
): Promise<EverythingRecord<Mode>[]> {
  const { signal, onProgress } = options;
  const resolved = resolveOptions(options, model.everything);
  const rgb = toRgb(image);
  const crops = cropBoxes(rgb, resolved.cropNLayers, resolved.cropOverlapRatio);
  const total = crops.reduce((sum, { layer }) => sum + resolved.grids[layer]!.length, 0);
  const predictor = new SamPredictor(model);
  let done = 0;
  let candidates: Candidate[] = [];
  try {
    for (const crop of crops) {
      const found = await segmentCrop(predictor, rgb, crop, resolved, signal, (points) => {
        done += points;
        onProgress?.(done / total);
      });
      candidates.push(...found);
    }
  } finally {
    predictor.dispose();
    model.forgetBatches();
    // Buffers of crops and images of other sizes would pile up in the pool.
    getEngine().trim();
  }
  if (crops.length > 1) {
    const area = ([x0, y0, x1, y1]: Box) => (x1 - x0) * (y1 - y0);
    const preference = candidates.map(({ crop }) => 1 / area(crop));
    candidates = pick(
      candidates,
      nonMaximumSuppression(
        candidates.map(({ box }) => box),
        preference,
        resolved.cropNmsThresh,
      ),
    );
  }
  if (resolved.minMaskRegionArea > 0) candidates = removeSmallRegions(candidates, resolved);
  return candidates.map((candidate) => toRecord(candidate, resolved.outputMode) as EverythingRecord<Mode>);
}

/** Candidates of one crop. */
async function segmentCrop(
  predictor: SamPredictor,
  image: PixelImage,
  { box: crop, layer }: Crop,
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
  onPoints: (count: number) => void,
): Promise<Candidate[]> {
  const [x0, y0, x1, y1] = crop;
  const size = { width: x1 - x0, height: y1 - y0 };
  const whole = size.width === image.width && size.height === image.height;
  await predictor.setImage(whole ? image : cropImage(image, crop), { signal });
  const points = options.grids[layer]!.map(([x, y]): Point => [x * size.width, y * size.height]);
  const candidates: Candidate[] = [];
  for (let start = 0; start < points.length; start += options.pointsPerBatch) {
    const batch = points.slice(start, start + options.pointsPerBatch);
    for await (const pass of passes(predictor, batch, options)) {
      try {
        signal?.throwIfAborted();
        candidates.push(...(await survivors(pass, predictor, batch, crop, image, options)));
      } finally {
        disposeBatch(pass);
      }
    }
    signal?.throwIfAborted();
    onPoints(batch.length);
  }
  const boxes = candidates.map(({ box }) => box);
  const scores = candidates.map(({ predictedIou }) => predictedIou);
  return pick(candidates, nonMaximumSuppression(boxes, scores, options.boxNmsThresh));
}

/** Some masks of a pass, and which of the four they are. */
interface Pass extends DecodedBatch {
  choice: MaskChoice;
}

const disposeBatch = ({ logits, iou }: DecodedBatch) => dispose([logits, iou]);

const promptsOf = (points: readonly Point[], { originalSize, inputSize }: SamPredictor['embedding']) =>
  points.map((point) => ({ points: [scalePoint(point, originalSize, inputSize)], labels: [1] }));

/** Passes over some points, each started before the one before is looked at, so that the GPU need not wait. */
async function* passes(
  predictor: SamPredictor,
  points: readonly Point[],
  { useM2m }: ResolvedOptions,
): AsyncGenerator<Pass, void, undefined> {
  const prompts = promptsOf(points, predictor.embedding);
  const decoding = predictor.prepared.image.decode(prompts, { masks: 'multi' });
  let next: DecodedBatch | undefined;
  try {
    next = decoding.next().value ?? undefined;
    while (next) {
      const current: DecodedBatch = next;
      next = decoding.next().value ?? undefined;
      if (useM2m) yield* refined(current, predictor, points);
      else yield { ...current, choice: 'multi' };
    }
  } finally {
    if (next) disposeBatch(next);
  }
}

/** Every mask of a pass as the prompt of a single one, beside its point (sam2, `automatic_mask_generator.py`, `refine_with_m2m`). */
async function* refined(
  pass: DecodedBatch,
  { model, embedding, prepared }: SamPredictor,
  points: readonly Point[],
): AsyncGenerator<Pass, void, undefined> {
  const [, alternatives, height, width] = pass.logits.shape as [number, number, number, number];
  const logits = await getEngine()
    .read(pass.logits)
    .then((bytes) => new Float32Array(bytes))
    .finally(() => disposeBatch(pass));
  const clamped = clampedPrompt(logits);
  const pixels = height * width;
  const owners = pass.indices.flatMap((index) => Array.from({ length: alternatives }, () => index));
  const prompts = promptsOf(
    owners.map((index) => points[index]!),
    embedding,
  ).map((prompt, i) => ({ ...prompt, mask: clamped.subarray(i * pixels, (i + 1) * pixels) }));
  for (const decoded of prepared.image.decode(prompts, { masks: 'single' })) {
    const settled = (await model.settle?.(decoded, 'single')) ?? decoded;
    yield { ...settled, indices: settled.indices.map((i) => owners[i]!), choice: 'single' };
  }
}

/** Those masks of a pass that the filters leave. Masks are read only when nothing but doubles can still be said against them. */
async function survivors(
  { indices, logits, iou, choice }: Pass,
  predictor: SamPredictor,
  points: readonly Point[],
  crop: Box,
  image: ImageSize,
  options: ResolvedOptions,
): Promise<Candidate[]> {
  const { predIouThresh, maxHoleArea, maxSprinkleArea } = options;
  const ious = new Float32Array(await getEngine().read(iou));
  const predicted = indices.flatMap((_, row) => [...chosenIou(ious, row, choice)]);
  const likely = predicted.flatMap((value, i) => (predIouThresh <= 0 || value > predIouThresh ? [i] : []));
  if (likely.length === 0) return [];
  const cleaned = maxHoleArea + maxSprinkleArea > 0 ? await withoutSmallRegions(logits, options) : undefined;
  try {
    const found = { predicted, likely, logits: cleaned ?? logits, points: indices.map((index) => points[index]!) };
    return await stable(found, predictor, crop, image, options);
  } finally {
    cleaned?.dispose();
  }
}

/** How far from the threshold small regions come to lie. */
const REGION_MARGIN = 10;

/** Masks whose small holes are filled and whose islands are removed, both as they were found (sam2, `postprocess_masks`). */
async function withoutSmallRegions(
  logits: Tensor,
  { maxHoleArea, maxSprinkleArea, maskThreshold: threshold }: ResolvedOptions,
): Promise<Tensor> {
  const [height, width] = logits.shape.slice(-2) as [number, number];
  const data = new Float32Array(await getEngine().read(logits));
  for (let start = 0; start < data.length; start += height * width) {
    const mask = data.subarray(start, start + height * width);
    const inside = Uint8Array.from(mask, (logit) => (logit > threshold ? 1 : 0));
    for (const [colour, most] of [[0, maxHoleArea] as const, [1, maxSprinkleArea] as const]) {
      const { labels, areas } = components8(inside, width, height, colour);
      const replaced = threshold + (colour === 0 ? REGION_MARGIN : -REGION_MARGIN);
      for (let i = 0; i < mask.length; i++) if (labels[i]! > 0 && areas[labels[i]!]! <= most) mask[i] = replaced;
    }
  }
  return tensor(data, logits.shape);
}

/** Those of likely masks that are stable and whole. */
async function stable(
  { predicted, likely, logits, points }: { predicted: number[]; likely: number[]; logits: Tensor; points: Point[] },
  { prepared: { plan } }: SamPredictor,
  crop: Box,
  image: ImageSize,
  { stabilityScoreThresh, stabilityScoreOffset, maskThreshold: threshold }: ResolvedOptions,
): Promise<Candidate[]> {
  const measures = await measureMasks(logits, plan, { threshold, stabilityOffset: stabilityScoreOffset });
  const [left, top] = crop;
  const place = ([x0, y0, x1, y1]: Box): Box => [x0 + left, y0 + top, x1 + left, y1 + top];
  const kept = likely.filter((i) => {
    const { stability, box } = measures[i]!;
    return (
      (stabilityScoreThresh <= 0 || stability >= stabilityScoreThresh) && !touchesCropEdge(place(box), crop, image)
    );
  });
  const masks = await readMasks(logits, plan, kept, { threshold });
  const alternatives = predicted.length / points.length;
  return kept.map((i, k) => {
    const [x, y] = points[Math.floor(i / alternatives)]!;
    return {
      mask: placeRle(masks[k]!, [left, top], [image.height, image.width]),
      box: place(measures[i]!.box),
      predictedIou: predicted[i]!,
      stability: measures[i]!.stability,
      point: [x + left, y + top],
      crop,
    };
  });
}

/** Removes small holes and islands, and what has become a double by that; untouched masks win. */
function removeSmallRegions(candidates: readonly Candidate[], options: ResolvedOptions): Candidate[] {
  const { minMaskRegionArea: least, boxNmsThresh, cropNmsThresh } = options;
  const scores: number[] = [];
  const cleaned = candidates.map((candidate) => {
    const [height, width] = candidate.mask.size;
    const filled = fillHoles(decodeRle(candidate.mask), width, height, least);
    const islands = removeIslands(filled.data, width, height, least);
    const changed = filled.changed || islands.changed;
    scores.push(changed ? 0 : 1);
    if (!changed) return candidate;
    const mask = encodeRle(islands.data, width, height);
    const [x, y, w, h] = rleBbox(mask);
    return { ...candidate, mask, box: [x, y, Math.max(x, x + w - 1), Math.max(y, y + h - 1)] as Box };
  });
  const threshold = Math.max(boxNmsThresh, cropNmsThresh);
  return pick(
    cleaned,
    nonMaximumSuppression(
      cleaned.map(({ box }) => box),
      scores,
      threshold,
    ),
  );
}

function toRecord(candidate: Candidate, mode: OutputMode): EverythingRecord {
  const { mask, box, crop, predictedIou, stability, point } = candidate;
  const rectangle = ([x0, y0, x1, y1]: Box) => [x0, y0, x1 - x0, y1 - y0] as const;
  return {
    segmentation: mode === 'binary_mask' ? decodeRle(mask) : mode === 'coco_rle' ? compressRle(mask) : mask,
    area: rleArea(mask),
    bbox: rectangle(box),
    predictedIou,
    pointCoords: [point],
    stabilityScore: stability,
    cropBox: rectangle(crop),
  };
}
