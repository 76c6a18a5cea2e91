import type { Box } from '../masks/box.js';

/** A box by its centre: x, y, width, height. */
export type CentredBox = readonly [cx: number, cy: number, width: number, height: number];

/** Keeps ratios of empty boxes finite, as GroundingDINO's `box_ops.py` does. */
const EPS = 1e-6;

/** The corners of a box that is given by its centre, in the same units. */
export const cornersOf = ([cx, cy, width, height]: CentredBox): Box => [
  cx - width / 2,
  cy - height / 2,
  cx + width / 2,
  cy + height / 2,
];

/** A box by its centre, in the units of its corners. */
export const centredBox = ([x0, y0, x1, y1]: Box): CentredBox => [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0];

/** Width times height, in the square of the unit of the corners. */
export const boxArea = ([x0, y0, x1, y1]: Box): number => (x1 - x0) * (y1 - y0);

/** The part of a box within a picture. */
export function clipBox([x0, y0, x1, y1]: Box, { width, height }: { width: number; height: number }): Box {
  const clip = (value: number, side: number) => Math.min(Math.max(value, 0), side);
  return [clip(x0, width), clip(y0, height), clip(x1, width), clip(y1, height)];
}

/** Intersection and union. */
function overlap(a: Box, b: Box): [intersection: number, union: number] {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const intersection = width * height;
  return [intersection, boxArea(a) + boxArea(b) - intersection];
}

/** Intersection over union (GroundingDINO, `util/box_ops.py`). */
export function boxIou(a: Box, b: Box): number {
  const [intersection, union] = overlap(a, b);
  return intersection / (union + EPS);
}

/** Generalised intersection over union, -1..1. Rezatofighi et al., "Generalized Intersection over Union" (2019). */
export function boxGiou(a: Box, b: Box): number {
  const [intersection, union] = overlap(a, b);
  const hull = boxArea([Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]);
  return intersection / (union + EPS) - (hull - union) / (hull + EPS);
}

/**
 * Box of a mask's pixels, by the indices of the outermost ones, both inclusive (GroundingDINO, `masks_to_boxes`).
 * @param mask Row-major; anything but 0 belongs to it.
 * @returns Nothing for an empty mask.
 */
export function maskToBox(mask: ArrayLike<number>, width: number): Box | undefined {
  let [x0, y0, x1, y1] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -1, -1];
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const x = i % width;
    const y = (i - x) / width;
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
  }
  return x1 < 0 ? undefined : [x0, y0, x1, y1];
}
