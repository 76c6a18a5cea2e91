/** What a prompt says about places of the frame, computed on the CPU. */

import type { FramePrompt } from '../sam/point-embedder.js';
import type { Point } from '../sam/transforms.js';
import { DENSE, LOW_RES, SIDE, STRIDE } from './shape.js';

/** Pixels along a side of a cell of the dense prompt. */
const CELL = STRIDE / 4;
/** Spread of a click in the dense prompt, in pixels. */
const CLICK_SIGMA = 8;

/** How much of [low, high] lies in each of `cells` intervals of `size`. */
const overlaps = (low: number, high: number, cells: number, size: number): Float64Array =>
  Float64Array.from({ length: cells }, (_, i) => Math.max(0, Math.min(high, (i + 1) * size) - Math.max(low, i * size)));

/** Bilinear weights of cells along an axis at a pixel. */
function bilinear(pixel: number): Float64Array {
  const at = Math.min(SIDE - 1, Math.max(0, (pixel + 0.5) / STRIDE - 0.5));
  return Float64Array.from({ length: SIDE }, (_, i) => Math.max(0, 1 - Math.abs(at - i)));
}

/** Adds `rows` x `columns`, times `scale`, to the map that begins at `base`. */
function addProduct(out: Float32Array, base: number, rows: Float64Array, columns: Float64Array, scale = 1): void {
  for (const [r, row] of rows.entries()) {
    if (row === 0) continue;
    for (const [c, column] of columns.entries()) out[base + r * columns.length + c]! += row * column * scale;
  }
}

/**
 * Where tokens look at the embedding: for each token of `PointEmbedder.tokens` the weights of its cells, flat [tokens, 32^2]. Points read it
 * bilinearly, both corners of a box read its mean, padding reads nothing.
 */
export function tokenWeights({ points = [], labels = [], box }: FramePrompt): Float32Array {
  const count = points.length + (box ? 2 : points.length > 0 ? 1 : 0);
  const cells = SIDE * SIDE;
  const out = new Float32Array(count * cells);
  for (const [i, [x, y]] of points.entries()) {
    if (labels[i]! >= 0) addProduct(out, i * cells, bilinear(y), bilinear(x));
  }
  if (box) {
    const [x0, y0, x1, y1] = box;
    const [rows, columns] = [overlaps(y0, y1, SIDE, STRIDE), overlaps(x0, x1, SIDE, STRIDE)];
    const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
    const scale = 1 / Math.max(1e-6, sum(rows) * sum(columns));
    for (const corner of [0, 1]) addProduct(out, (points.length + corner) * cells, rows, columns, scale);
  }
  return out;
}

/**
 * A prompt as a picture, flat [128, 128, 4]: the mask that it goes on from, bumps at clicks on the object and at those beside it, and the
 * share of the box in each cell.
 * @param mask Logits of an earlier mask, flat [128, 128].
 */
export function densePrompt({
  points = [],
  labels = [],
  box,
  mask,
}: FramePrompt & { mask?: Float32Array }): Float32Array {
  const out = new Float32Array(LOW_RES * LOW_RES * DENSE);
  if (mask) for (let i = 0; i < mask.length; i++) out[i * DENSE] = Math.tanh(mask[i]! / 2);
  for (const [i, point] of points.entries()) {
    if (labels[i] === 1) addClick(out, point, 1);
    if (labels[i] === 0) addClick(out, point, 2);
  }
  if (box) {
    const [x0, y0, x1, y1] = box;
    const [rows, columns] = [overlaps(y0, y1, LOW_RES, CELL), overlaps(x0, x1, LOW_RES, CELL)];
    for (let r = 0; r < LOW_RES; r++) {
      for (let c = 0; c < LOW_RES; c++) out[(r * LOW_RES + c) * DENSE + 3] = (rows[r]! * columns[c]!) / CELL ** 2;
    }
  }
  return out;
}

/** A Gaussian bump around a click; the highest of several counts. */
function addClick(out: Float32Array, [x, y]: Point, channel: number): void {
  const bump = (pixel: number) =>
    Float64Array.from({ length: LOW_RES }, (_, i) =>
      Math.exp(-((pixel + 0.5 - (i + 0.5) * CELL) ** 2) / (2 * CLICK_SIGMA ** 2)),
    );
  const [rows, columns] = [bump(y), bump(x)];
  for (let r = 0; r < LOW_RES; r++) {
    for (let c = 0; c < LOW_RES; c++) {
      const at = (r * LOW_RES + c) * DENSE + channel;
      out[at] = Math.max(out[at]!, rows[r]! * columns[c]!);
    }
  }
}
