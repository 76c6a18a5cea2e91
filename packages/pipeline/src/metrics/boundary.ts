/** An inclusive pixel rectangle; empty if `right < left`. */
export interface Extent {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Pixels of a sub-rectangle of the picture that are set. */
export interface Region {
  left: number;
  top: number;
  width: number;
  height: number;
  inside: Uint8Array;
}

/**
 * Tolerance in pixels of the boundary measure: `ceil(0.008 * diagonal)`; 8 at 854x480.
 * Source: DAVIS 2017 evaluation, `f_measure`.
 */
export const boundaryTolerance = (width: number, height: number): number =>
  Math.ceil(0.008 * Math.sqrt(width * width + height * height));

/**
 * Positions `y * width + x` of an object's boundary pixels, row by row.
 *
 * Berkeley's `seg2bmap` at equal size: a pixel differs from its right, lower or lower right neighbour. In the last row only the right
 * neighbour counts, in the last column only the lower one, and the last pixel never does. So a boundary lies half a pixel up and left of the
 * edge, and a mask that covers the whole picture has none.
 * @param labels ids, `width * height`
 * @param box rectangle that holds every pixel of the object
 */
export function boundaryPixels(
  labels: ArrayLike<number>,
  width: number,
  height: number,
  id: number,
  box: Extent,
): Int32Array {
  const pixels: number[] = [];
  const lastX = width - 1;
  const lastY = height - 1;
  for (let y = Math.max(0, box.top - 1); y <= box.bottom; y++) {
    for (let x = Math.max(0, box.left - 1); x <= box.right; x++) {
      const at = y * width + x;
      const here = labels[at] === id;
      const differs =
        x < lastX && y < lastY
          ? here !== (labels[at + 1] === id) ||
            here !== (labels[at + width] === id) ||
            here !== (labels[at + width + 1] === id)
          : x < lastX
            ? here !== (labels[at + 1] === id)
            : y < lastY && here !== (labels[at + width] === id);
      if (differs) pixels.push(at);
    }
  }
  return Int32Array.from(pixels);
}

/**
 * Every pixel within `radius` of one of `pixels` (a disk, `dx^2 + dy^2 <= radius^2`), pixels outside the picture left out.
 *
 * A disk is a stack of horizontal runs. Each run adds one at its start and takes one away behind its end; a prefix sum along the rows then is
 * positive inside. That costs `2 radius + 1` steps a pixel, not the disk's area.
 */
export function dilate(pixels: Int32Array, width: number, height: number, radius: number): Region {
  let left = width;
  let right = -1;
  for (const at of pixels) {
    const x = at % width;
    if (x < left) left = x;
    if (x > right) right = x;
  }
  if (pixels.length === 0) return { left: 0, top: 0, width: 0, height: 0, inside: new Uint8Array() };
  left = Math.max(0, left - radius);
  right = Math.min(width - 1, right + radius);
  // Positions come row by row: the first and the last give the rows.
  const top = Math.max(0, Math.floor(pixels[0]! / width) - radius);
  const bottom = Math.min(height - 1, Math.floor(pixels.at(-1)! / width) + radius);

  const columns = right - left + 1;
  const rows = bottom - top + 1;
  const halfWidths = Int32Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.floor(Math.sqrt(radius * radius - (i - radius) * (i - radius))),
  );
  // One more column takes the ends of runs that reach the last one.
  const steps = new Int32Array((columns + 1) * rows);
  for (const at of pixels) {
    const y = Math.floor(at / width);
    const x = at - y * width - left;
    const first = Math.max(top, y - radius);
    const last = Math.min(bottom, y + radius);
    for (let row = first; row <= last; row++) {
      const half = halfWidths[row - y + radius]!;
      const base = (row - top) * (columns + 1);
      steps[base + (x > half ? x - half : 0)]!++;
      steps[base + (x + half < columns ? x + half + 1 : columns)]!--;
    }
  }
  const inside = new Uint8Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    let depth = 0;
    for (let x = 0; x < columns; x++) {
      depth += steps[row * (columns + 1) + x]!;
      if (depth > 0) inside[row * columns + x] = 1;
    }
  }
  return { left, top, width: columns, height: rows, inside };
}

/** How many of the pixels (positions in a picture `width` wide) lie in the region. */
export function countInside(pixels: Int32Array, width: number, region: Region): number {
  let count = 0;
  for (const at of pixels) {
    const y = Math.floor(at / width) - region.top;
    const x = (at % width) - region.left;
    if (x >= 0 && y >= 0 && x < region.width && y < region.height) count += region.inside[y * region.width + x]!;
  }
  return count;
}
