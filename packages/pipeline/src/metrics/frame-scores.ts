import type { LabelMap } from '../io/label-map.js';
import { boundaryPixels, boundaryTolerance, countInside, dilate, type Extent, type Region } from './boundary.js';

/** Region similarity J = |P ∩ G| / |P ∪ G|; 1 if both masks are empty. */
const jaccardOf = (both: number, union: number): number => (union === 0 ? 1 : both / union);

/**
 * Boundary measure F = 2PR / (P + R) from boundary sizes and how many pixels of each lie near the other.
 * Both boundaries empty: 1; one empty: 0.
 */
function boundaryMeasureOf(resultPixels: number, truthPixels: number, resultNear: number, truthNear: number): number {
  if (resultPixels === 0 && truthPixels === 0) return 1;
  if (resultPixels === 0 || truthPixels === 0) return 0;
  const precision = resultNear / resultPixels;
  const recall = truthNear / truthPixels;
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** Tight boxes of ids 1..count; index 0 is not used. */
function boxesOf(labels: Uint16Array, width: number, height: number, count: number): Extent[] {
  const boxes: Extent[] = Array.from({ length: count + 1 }, () => ({
    left: width,
    top: height,
    right: -1,
    bottom: -1,
  }));
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const id = labels[at]!;
      if (id === 0 || id > count) continue;
      const box = boxes[id]!;
      if (x < box.left) box.left = x;
      if (x > box.right) box.right = x;
      if (y < box.top) box.top = y;
      box.bottom = y;
    }
  }
  return boxes;
}

interface Outline {
  pixels: Int32Array;
  near: Region;
}

function outlinesOf({ width, height, data }: LabelMap, count: number): Outline[] {
  const radius = boundaryTolerance(width, height);
  return boxesOf(data, width, height, count).map((box, id) => {
    const pixels = id === 0 ? new Int32Array() : boundaryPixels(data, width, height, id, box);
    return { pixels, near: dilate(pixels, width, height, radius) };
  });
}

/** Scores of result object r against true object g of one frame, at `[(r - 1) * truths + g - 1]`. */
export interface PairScores {
  j: Float64Array;
  f: Float64Array;
}

/**
 * J and F of result objects 1..results against true objects 1..truths.
 * @param pairs `same`: only r = g is scored, the rest is 0; `all`: every pair
 */
export function scoreFrame(
  truth: LabelMap,
  result: LabelMap,
  truths: number,
  results: number,
  pairs: 'same' | 'all',
): PairScores {
  const { width } = truth;
  const overlap = new Float64Array((results + 1) * (truths + 1));
  const truthAreas = new Float64Array(truths + 1);
  const resultAreas = new Float64Array(results + 1);
  for (let i = 0; i < truth.data.length; i++) {
    // Ids beyond the counts are background here; the caller has refused them where they are errors.
    const g = truth.data[i]! <= truths ? truth.data[i]! : 0;
    const r = result.data[i]! <= results ? result.data[i]! : 0;
    if (g | r) {
      truthAreas[g]!++;
      resultAreas[r]!++;
      overlap[r * (truths + 1) + g]!++;
    }
  }
  const truthOutlines = outlinesOf(truth, truths);
  const resultOutlines = outlinesOf(result, results);
  const scores: PairScores = { j: new Float64Array(results * truths), f: new Float64Array(results * truths) };
  for (let r = 1; r <= results; r++) {
    for (let g = 1; g <= truths; g++) {
      if (pairs === 'same' && r !== g) continue;
      const both = overlap[r * (truths + 1) + g]!;
      const [a, b] = [resultOutlines[r]!, truthOutlines[g]!];
      const at = (r - 1) * truths + g - 1;
      scores.j[at] = jaccardOf(both, resultAreas[r]! + truthAreas[g]! - both);
      scores.f[at] = boundaryMeasureOf(
        a.pixels.length,
        b.pixels.length,
        countInside(a.pixels, width, b.near),
        countInside(b.pixels, width, a.near),
      );
    }
  }
  return scores;
}
