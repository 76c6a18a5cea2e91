import type { SamMask, SamPredictor } from './predictor.js';
import type { SamPrompt } from './prompt.js';

/** Options of `predictAsOnnx`, named as those of the published export script. */
export interface OnnxOptions {
  /** Only the mask that `selectSingleMask` selects, instead of all four. */
  returnSingleMask?: boolean | undefined;
  /** Stability of the low-resolution logits instead of the predicted IoU. */
  useStabilityScore?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** A mask as the ONNX models give it. */
export interface OnnxMask extends Required<Pick<SamMask, 'logits' | 'lowRes'>> {
  /** Predicted IoU, or stability. */
  score: number;
  /** Of the low-resolution logits at offset 1. */
  stability: number;
  /** Pixels above 0 at the image's size. */
  area: number;
}

/** Share of the logits above `threshold + offset` in those above `threshold - offset`; NaN when there are none. */
export function stabilityScore(logits: ArrayLike<number>, threshold = 0, offset = 1): number {
  let [high, low] = [0, 0];
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > threshold + offset) high++;
    if (logits[i]! > threshold - offset) low++;
  }
  return high / low;
}

/**
 * Index of the mask to show for a prompt (segment-anything, `utils/onnx.py`, `select_masks`): the first of the four when
 * there are three points or more, padding included, else the best of the others.
 * @param scores Of the four masks.
 */
export function selectSingleMask(scores: ArrayLike<number>, points: number): number {
  const weighted = Array.from(scores, (score, i) => score + (i === 0 ? (points - 2.5) * 1000 : 0));
  return weighted.indexOf(Math.max(...weighted));
}

/**
 * Decodes a prompt as the published ONNX models do: all of it is points, where labels 2 and 3 are the corners of a box and
 * -1 is the point that must be appended when there is none. Coordinates are the image's.
 *
 * @throws as `SamPredictor.predict`.
 */
export async function predictAsOnnx(
  predictor: SamPredictor,
  { points = [], labels = [], mask }: Omit<SamPrompt, 'box'>,
  { returnSingleMask = false, useStabilityScore = false, signal }: OnnxOptions = {},
): Promise<OnnxMask[]> {
  const masks = await predictor.predict(
    { points, labels, mask },
    { masks: 'all', logits: true, cornerLabels: true, signal },
  );
  const results = masks.map(({ logits, lowRes, predictedIou, area }) => {
    const stability = stabilityScore(lowRes);
    return { logits: logits!, lowRes, area, stability, score: useStabilityScore ? stability : predictedIou };
  });
  if (!returnSingleMask) return results;
  const scores = results.map(({ score }) => score);
  return [results[selectSingleMask(scores, points.length)]!];
}
