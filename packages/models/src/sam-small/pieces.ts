/** Which pieces of a mask a prompt means. */

import type { Box } from '../masks/box.js';
import { decodeRle, encodeRle, type Rle } from '../masks/index.js';
import { components8 } from '../masks/regions.js';
import type { SamPrompt } from '../sam/prompt.js';
import { LOW_RES } from './shape.js';
import type { WindowLogits } from './window.js';

/** Pieces without a click stay from this share of the clicked pieces' area on, */
const LEAST = 0.3;
/** if their box lies within this share of the image's longer side of a clicked piece's: a pole in front of a thing divides it. */
const REACH = 0.02;
/** Logit of what goes. */
const GONE = -4;

/**
 * Takes the pieces of a mask away that no click on the object lies in, and that are small beside those that one lies in or far
 * from all of them.
 * @returns the mask, and a test of pixels for what went; undefined where all stays
 */
export function clickedPieces(
  mask: Rle,
  { points = [], labels = [] }: SamPrompt,
): { mask: Rle; isGone: (x: number, y: number) => boolean } | undefined {
  const [height, width] = mask.size;
  const pixels = decodeRle(mask);
  const pieces = components8(pixels, width, height, 1);
  const at = (value: number, size: number) => Math.min(size - 1, Math.max(0, Math.floor(value)));
  const pieceAt = (x: number, y: number) => pieces.labels[at(y, height) * width + at(x, width)]!;
  const clicked = new Set(points.flatMap(([x, y], i) => (labels[i] === 1 ? [pieceAt(x, y)] : [])));
  clicked.delete(0);
  if (clicked.size === 0) return undefined;
  const area = [...clicked].reduce((sum, piece) => sum + pieces.areas[piece]!, 0);
  const boxes = boxesOf(pieces.labels, pieces.areas.length, width);
  const reach = REACH * Math.max(width, height);
  const isNear = (piece: number) => [...clicked].some((other) => gap(boxes[piece]!, boxes[other]!) <= reach);
  const stays = pieces.areas.map(
    (own, piece) => clicked.has(piece) || (piece > 0 && own > LEAST * area && isNear(piece)),
  );
  if (stays.every((stay, piece) => stay || piece === 0)) return undefined;
  const kept = pixels.map((pixel, i) => (pixel && stays[pieces.labels[i]!] ? 1 : 0));
  return {
    mask: encodeRle(kept, width, height),
    isGone: (x, y) => {
      const piece = pieceAt(x, y);
      return piece !== 0 && !stays[piece];
    },
  };
}

/** The box around each piece; that of 0 is empty. */
function boxesOf(labels: Int32Array, count: number, width: number): Box[] {
  const boxes = Array.from({ length: count }, (): Box => [Infinity, Infinity, -Infinity, -Infinity]);
  for (const [i, piece] of labels.entries()) {
    if (piece === 0) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    const [x0, y0, x1, y1] = boxes[piece]!;
    boxes[piece] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
  }
  return boxes;
}

/** Pixels between two boxes along the axis on which they are farther apart; negative where they overlap. */
const gap = (a: Box, b: Box): number => Math.max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3]);

/** Makes background of the cells whose centres are gone. */
export function withoutPieces(
  { window, lowRes }: WindowLogits,
  isGone: (x: number, y: number) => boolean,
): WindowLogits {
  const [x0, y0, x1, y1] = window;
  const pixels = Math.max(x1 - x0, y1 - y0) / LOW_RES;
  const out = lowRes.slice();
  for (let i = 0; i < out.length; i++) {
    const [x, y] = [x0 + ((i % LOW_RES) + 0.5) * pixels, y0 + (Math.floor(i / LOW_RES) + 0.5) * pixels];
    if (x < x1 && y < y1 && isGone(x, y)) out[i] = GONE;
  }
  return { window, lowRes: out };
}
