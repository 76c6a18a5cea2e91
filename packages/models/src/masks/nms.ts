import type { Box } from './box.js';
/** IoU of two boxes; NaN where both have no area. */
export function boxIou(a: Box, b: Box): number {
  const area = ([x0, y0, x1, y1]: Box) => (x1 - x0) * (y1 - y0);
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

/**
 * Greedy non-maximum suppression.
 * @param threshold A box is dropped when its IoU with a better one exceeds it. Boxes without area drop none and stay.
 * @returns Indices of the boxes that stay, best first; equal scores in the order given.
 */
export function nonMaximumSuppression(boxes: readonly Box[], scores: readonly number[], threshold: number): number[] {
  const order = boxes.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept: number[] = [];
  for (const i of order) {
    if (!kept.some((k) => boxIou(boxes[i]!, boxes[k]!) > threshold)) kept.push(i);
  }
  return kept;
}
