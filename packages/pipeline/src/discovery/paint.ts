import { emptyLabelMap, type LabelMap } from '../io/label-map.js';
import type { Rle } from '../io/rle.js';
import type { Candidate } from './candidate.js';

/** Calls `visit` with the position `y * width + x` of every foreground pixel. */
export function forEachPixel({ size: [height, width], counts }: Rle, visit: (at: number) => void): void {
  let position = 0;
  for (let i = 0; i < counts.length; i++) {
    const end = position + counts[i]!;
    if (i & 1) for (let p = position; p < end; p++) visit((p % height) * width + Math.floor(p / height));
    position = end;
  }
}

/** A label map of candidates 1, 2, ..., each painted over those before it. */
export function paint(candidates: readonly Candidate[], width: number, height: number): LabelMap {
  const map = emptyLabelMap(width, height);
  for (const [i, { mask }] of candidates.entries()) {
    forEachPixel(mask, (at) => {
      map.data[at] = i + 1;
    });
  }
  return map;
}
