import type { Box } from '../masks/box.js';
import { decodeRle, type Rle } from '../masks/index.js';
import { SamError } from './error.js';
import type { PredictOptions, SamMask, SamPredictor } from './predictor.js';
import type { SamPrompt } from './prompt.js';
import { byPredictedIou } from './refine.js';
import type { ImageSize, Point } from './transforms.js';

/** A freehand line over an object, and perhaps lines over what does not belong to it. */
export interface Stroke {
  /** Pixels of the image that the pen went through, in order; at least one. */
  points: readonly Point[];
  /** Lines over the background. */
  background?: readonly (readonly Point[])[];
  /** Width of the pen in pixels, which the box is widened by; 1 by default. */
  width?: number;
}

/** A mask with how well it agrees with the stroke. */
export interface StrokeMask extends SamMask {
  /** Share of the stroke inside the mask times the share of the background strokes outside. */
  agreement: number;
}

/** Points that a stroke is told to the network by: more of them cost it time and, beyond some, certainty. */
const MAX_FOREGROUND = 6;
const MAX_BACKGROUND = 3;

/** Points at equal distances along a line, both ends left out unless it is short. */
export function alongLine(line: readonly Point[], count: number): Point[] {
  const lengths = [0];
  for (let i = 1; i < line.length; i++) {
    const [[x0, y0], [x1, y1]] = [line[i - 1]!, line[i]!];
    lengths.push(lengths[i - 1]! + Math.hypot(x1 - x0, y1 - y0));
  }
  const total = lengths.at(-1)!;
  if (total === 0) return [line[0]!];
  let segment = 1;
  return Array.from({ length: count }, (_, k) => {
    const at = ((k + 0.5) / count) * total;
    while (lengths[segment]! < at) segment++;
    const [[x0, y0], [x1, y1]] = [line[segment - 1]!, line[segment]!];
    const share = (at - lengths[segment - 1]!) / (lengths[segment]! - lengths[segment - 1]!);
    return [x0 + share * (x1 - x0), y0 + share * (y1 - y0)] as const;
  });
}

const lineLength = (line: readonly Point[]): number =>
  line.reduce((sum, [x, y], i) => (i === 0 ? 0 : sum + Math.hypot(x - line[i - 1]![0], y - line[i - 1]![1])), 0);

/** What a stroke says: points along it, points along the background strokes, and its box. */
export interface StrokeEvidence {
  points: Point[];
  labels: number[];
  box: Box;
}

/**
 * The evidence of a stroke. The number of points grows with its length, a point for each twentieth of the image's diagonal.
 * @throws SamError `prompt` for a line without points, or one outside the image.
 */
export function strokeEvidence({ points: line, background = [], width = 1 }: Stroke, size: ImageSize): StrokeEvidence {
  for (const [name, points] of [
    ['The stroke', line] as const,
    ...background.map((b, i) => [`Background stroke ${i}`, b] as const),
  ]) {
    if (points.length === 0) throw new SamError('prompt', `${name} has no points.`);
    const outside = points.find(([x, y]) => !(x >= 0 && y >= 0 && x <= size.width && y <= size.height));
    if (outside) {
      throw new SamError(
        'prompt',
        `${name} goes through ${outside}, outside the image of ${size.width}x${size.height} pixels.`,
      );
    }
  }
  if (!(width >= 0)) throw new SamError('option', `A stroke cannot be ${width} pixels wide.`);
  const unit = Math.hypot(size.width, size.height) / 20;
  const sample = (points: readonly Point[], most: number) =>
    alongLine(points, Math.max(1, Math.min(most, Math.round(lineLength(points) / unit))));
  const foreground = sample(line, MAX_FOREGROUND);
  const against = background.flatMap((points) => sample(points, MAX_BACKGROUND));
  const reach = width / 2;
  const xs = line.map(([x]) => x);
  const ys = line.map(([, y]) => y);
  return {
    points: [...foreground, ...against],
    labels: [...foreground.map(() => 1), ...against.map(() => 0)],
    box: [
      Math.max(0, Math.min(...xs) - reach),
      Math.max(0, Math.min(...ys) - reach),
      Math.min(size.width, Math.max(...xs) + reach),
      Math.min(size.height, Math.max(...ys) + reach),
    ],
  };
}

/** Share of pixels along a line that lie in a mask. */
function shareInside(mask: Uint8Array, { width, height }: ImageSize, line: readonly Point[]): number {
  const samples = alongLine(line, Math.max(1, Math.ceil(lineLength(line))));
  const inside = samples.filter(([x, y]) => {
    return mask[Math.min(height - 1, Math.floor(y)) * width + Math.min(width - 1, Math.floor(x))];
  });
  return inside.length / samples.length;
}

/** How well a mask agrees with a stroke, 0..1. */
export function strokeAgreement(mask: Rle, { points, background = [] }: Stroke): number {
  const [height, width] = mask.size;
  const pixels = decodeRle(mask);
  const inside = (line: readonly Point[]) => shareInside(pixels, { width, height }, line);
  return background.reduce((product, line) => product * (1 - inside(line)), inside(points));
}

/**
 * Masks of what a stroke was drawn over. A stroke across an object may leave much of it outside its box, and one around it
 * may not touch it at all, so several readings are tried: points along it, its box, and both. Their masks are compared by
 * predicted IoU times agreement with the stroke, and the best is refined by a pass that sees it.
 *
 * @returns All candidates, best first.
 * @throws as `strokeEvidence` and `SamPredictor.predict`.
 */
export async function predictStroke(
  predictor: SamPredictor,
  stroke: Stroke,
  options: Omit<PredictOptions, 'masks' | 'coordinates' | 'cornerLabels' | 'logits'> = {},
): Promise<StrokeMask[]> {
  const { onProgress, ...rest } = options;
  const { points, labels, box } = strokeEvidence(stroke, predictor.embedding.originalSize);
  const [x0, y0, x1, y1] = box;
  // The box of a straight or tiny stroke is no box of an object.
  const readings: SamPrompt[] = [{ points, labels }];
  if (x1 - x0 >= 2 && y1 - y0 >= 2) readings.push({ box }, { points, labels, box });
  const judge = (masks: readonly SamMask[]): StrokeMask[] =>
    masks.map((mask) => ({ ...mask, agreement: strokeAgreement(mask.mask, stroke) }));
  const merit = ({ predictedIou, agreement }: StrokeMask) => Math.max(0, predictedIou) * agreement;
  const results = await predictor.predictBatch(readings, { ...rest, masks: 'multi' });
  onProgress?.(0.5);
  const candidates = results.flatMap((masks, reading) => judge(masks).map((mask) => ({ mask, reading })));
  const best = candidates.reduce((a, b) => (merit(b.mask) > merit(a.mask) ? b : a));
  const prompt = { ...readings[best.reading]!, mask: best.mask.lowRes };
  const refined = judge(await predictor.predict(prompt, { ...rest, masks: 'multi' }));
  onProgress?.(1);
  const all = [...refined, ...candidates.map(({ mask }) => mask)];
  return (byPredictedIou(all) as StrokeMask[]).sort((a, b) => merit(b) - merit(a));
}
