import type { LabelMap } from '../io/label-map.js';

/** Colour is kept in blocks of this size around an object: video codecs would else blend what is behind it into its edge. */
const BLOCK = 16;

/**
 * The objects of a picture on a transparent ground.
 * @param rgba picture of the map's size; it is not changed
 * @returns a new picture, alpha 255 inside objects and 0 elsewhere; colours outside are black, but for a margin
 */
export function cutOut(rgba: Uint8Array, { width, height, data }: LabelMap): Uint8Array {
  const columns = Math.ceil(width / BLOCK);
  const rows = Math.ceil(height / BLOCK);
  const near = new Uint8Array(columns * rows);
  const mark = (row: number, column: number) => {
    for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(columns - 1, column + 1); c++) near[r * columns + c] = 1;
    }
  };
  const occupied = new Set<number>();
  for (let i = 0; i < data.length; i++) {
    if (data[i]) occupied.add(Math.floor(i / width / BLOCK) * columns + Math.floor((i % width) / BLOCK));
  }
  for (const block of occupied) mark(Math.floor(block / columns), block % columns);

  const out = new Uint8Array(rgba.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!near[Math.floor(y / BLOCK) * columns + Math.floor(x / BLOCK)]) continue;
      for (let c = 0; c < 3; c++) out[4 * i + c] = rgba[4 * i + c]!;
      out[4 * i + 3] = data[i] ? 255 : 0;
    }
  }
  return out;
}

/** `cutOut` without the margin: everything outside objects is 0. */
export function cutOutSharply(rgba: Uint8Array, { data }: LabelMap): Uint8Array {
  const out = new Uint8Array(rgba.length);
  for (let i = 0; i < data.length; i++) {
    if (!data[i]) continue;
    for (let c = 0; c < 3; c++) out[4 * i + c] = rgba[4 * i + c]!;
    out[4 * i + 3] = 255;
  }
  return out;
}
