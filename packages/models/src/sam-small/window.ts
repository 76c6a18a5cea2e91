/** Where to look a second time, and how an earlier mask is carried there. */

import type { Box } from '../masks/box.js';
import { type Rle, rleArea, rleBbox } from '../masks/index.js';
import type { SamPrompt } from '../sam/prompt.js';
import type { ImageSize } from '../sam/transforms.js';
import { LOW_RES } from './shape.js';

/** Side of the window, in longer sides of the box around what was found and asked. */
const MARGIN = 2;
/** The same at least, in longer sides of the image. */
const LEAST = 0.2;
/** The same at least, in pixels: what is smaller has nothing to see. */
const FEWEST = 8;
/** From this share of the image's longer side on, the image is looked at as a whole. */
const MOST = 0.85;
/** Logit of what lies outside of the earlier mask's window. */
const OUTSIDE = -8;

/** Logits of a window of the image: of the frame into which the window was resized. */
export interface WindowLogits {
  /** Pixels [x0, x1) x [y0, y1) of the image. */
  window: Box;
  /** Flat [128, 128]. */
  lowRes: Float32Array;
}

/**
 * The part of the image to look at again: about square, around a mask, the clicks on the object and the box; the whole image, where the part
 * would be most of it.
 */
export function windowAround(
  mask: Rle,
  { points = [], labels = [], box }: SamPrompt,
  { width, height }: ImageSize,
): Box {
  const longer = Math.max(width, height);
  const spans: Box[] = points.flatMap(([x, y], i) => (labels[i] === 1 ? [[x, y, x, y] as const] : []));
  if (rleArea(mask) > 0) {
    const [x, y, w, h] = rleBbox(mask);
    spans.push([x, y, x + w, y + h]);
  }
  if (box) spans.push(box);
  if (spans.length === 0) return [0, 0, width, height];
  const [x0, y0] = [Math.min(...spans.map((span) => span[0])), Math.min(...spans.map((span) => span[1]))];
  const [x1, y1] = [Math.max(...spans.map((span) => span[2])), Math.max(...spans.map((span) => span[3]))];
  const side = Math.round(Math.max(MARGIN * Math.max(x1 - x0, y1 - y0), LEAST * longer, FEWEST));
  if (side > MOST * longer) return [0, 0, width, height];
  const place = (centre: number, size: number): [number, number] => {
    const start = Math.max(0, Math.min(Math.round(centre - side / 2), size - side));
    return [start, Math.min(size, start + side)];
  };
  const [left, right] = place((x0 + x1) / 2, width);
  const [top, bottom] = place((y0 + y1) / 2, height);
  return [left, top, right, bottom];
}

/** Cells of the logits for a pixel of a window's longer side. */
const cellsPerPixel = ([x0, y0, x1, y1]: Box): number => LOW_RES / Math.max(x1 - x0, y1 - y0);

/** Logits of one window as those of another one, bilinear; background where the first does not reach. */
export function moveLogits({ window: from, lowRes }: WindowLogits, to: Box): Float32Array {
  const out = new Float32Array(LOW_RES * LOW_RES).fill(OUTSIDE);
  const [scaleFrom, scaleTo] = [cellsPerPixel(from), cellsPerPixel(to)];
  const clamp = (cell: number) => Math.min(LOW_RES - 1, Math.max(0, cell));
  for (let r = 0; r < LOW_RES; r++) {
    const y = (r + 0.5) / scaleTo + to[1];
    if (y < from[1] || y >= from[3]) continue;
    const v = clamp((y - from[1]) * scaleFrom - 0.5);
    for (let c = 0; c < LOW_RES; c++) {
      const x = (c + 0.5) / scaleTo + to[0];
      if (x < from[0] || x >= from[2]) continue;
      const u = clamp((x - from[0]) * scaleFrom - 0.5);
      const [left, top] = [Math.floor(u), Math.floor(v)];
      const [right, bottom] = [clamp(left + 1), clamp(top + 1)];
      const across = (row: number) =>
        lowRes[row * LOW_RES + left]! * (1 - (u - left)) + lowRes[row * LOW_RES + right]! * (u - left);
      out[r * LOW_RES + c] = across(top) * (1 - (v - top)) + across(bottom) * (v - top);
    }
  }
  return out;
}
