/**
 * COCO run-length encoding of a binary mask: run lengths in column-major order (down each column, columns left to right), beginning with
 * a run of zeros, which may be empty.
 */
export interface Rle {
  /** [height, width], as in COCO. */
  size: [height: number, width: number];
  counts: number[];
}

/** A map of object ids, `width * height`, rows from the top; 0 is background. */
interface LabelMap {
  width: number;
  height: number;
  data: Uint16Array;
}

/** The form that stands in COCO JSON files and that pycocotools reads: counts as a compressed ASCII string. */
export interface CompressedRle {
  size: [height: number, width: number];
  counts: string;
}

/** Run lengths of every object of a label map, in one pass over the pixels. */
export function labelMapToRles({ width, height, data }: LabelMap): Map<number, Rle> {
  const rles = new Map<number, Rle>();
  const ends = new Map<number, number>();
  const pixels = width * height;
  const close = (id: number, start: number, end: number) => {
    let rle = rles.get(id);
    if (!rle) rles.set(id, (rle = { size: [height, width], counts: [] }));
    rle.counts.push(start - (ends.get(id) ?? 0), end - start);
    ends.set(id, end);
  };
  let runId = 0;
  let runStart = 0;
  let position = 0;
  for (let x = 0; x < width; x++) {
    for (let at = x; at < pixels; at += width) {
      const id = data[at]!;
      if (id !== runId) {
        if (runId) close(runId, runStart, position);
        runId = id;
        runStart = position;
      }
      position++;
    }
  }
  if (runId) close(runId, runStart, position);
  for (const [id, { counts }] of rles) {
    const rest = pixels - ends.get(id)!;
    if (rest) counts.push(rest);
  }
  return new Map([...rles].sort(([a], [b]) => a - b));
}

/** Run lengths of a binary mask; any nonzero byte is foreground. */
export function encodeRle(mask: ArrayLike<number>, width: number, height: number): Rle {
  const data = Uint16Array.from({ length: width * height }, (_, i) => (mask[i] ? 1 : 0));
  return labelMapToRles({ width, height, data }).get(1) ?? { size: [height, width], counts: [width * height] };
}

/** The mask of a run-length encoding: 0 or 1 for each pixel, rows from the top. Throws `RangeError` if the runs do not fill the size. */
export function decodeRle({ size: [height, width], counts }: Rle): Uint8Array {
  const pixels = width * height;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== pixels || counts.some((count) => count < 0)) {
    throw new RangeError(`run lengths add up to ${total}, not to ${height}x${width} pixels`);
  }
  const mask = new Uint8Array(pixels);
  let position = 0;
  counts.forEach((count, i) => {
    if (i & 1) {
      for (let p = position; p < position + count; p++) mask[(p % height) * width + Math.floor(p / height)] = 1;
    }
    position += count;
  });
  return mask;
}

/**
 * COCO's string form: from the third count on, the difference to the count two before; each number in groups of five bits, least significant
 * first, sign-extended, bit 5 of a character says that more follow; 48 is added to make ASCII.
 */
export function compressRle({ size, counts }: Rle): CompressedRle {
  let text = '';
  for (let i = 0; i < counts.length; i++) {
    let rest = counts[i]! - (i > 2 ? counts[i - 2]! : 0);
    let more = true;
    while (more) {
      let group = rest & 31;
      rest >>= 5;
      more = group & 16 ? rest !== -1 : rest !== 0;
      if (more) group |= 32;
      text += String.fromCharCode(group + 48);
    }
  }
  return { size, counts: text };
}

/** Inverse of `compressRle`. Throws `RangeError` for a string that breaks off in the middle of a number. */
export function decompressRle({ size, counts: text }: CompressedRle): Rle {
  const counts: number[] = [];
  let position = 0;
  while (position < text.length) {
    let value = 0;
    let shift = 0;
    let group: number;
    do {
      if (position >= text.length) throw new RangeError('the run-length string breaks off');
      group = text.charCodeAt(position++) - 48;
      value |= (group & 31) << shift;
      shift += 5;
    } while (group & 32);
    if (group & 16 && shift < 32) value |= -1 << shift;
    if (counts.length > 2) value += counts[counts.length - 2]!;
    counts.push(value);
  }
  return { size, counts };
}

/** Foreground pixels. */
export function rleArea({ counts }: Rle): number {
  let area = 0;
  for (let i = 1; i < counts.length; i += 2) area += counts[i]!;
  return area;
}

/** Tight box [x, y, width, height] in pixels around the foreground; all zero for an empty mask. */
export function rleBbox({ size: [height], counts }: Rle): [x: number, y: number, width: number, height: number] {
  let left = Number.POSITIVE_INFINITY;
  let top = Number.POSITIVE_INFINITY;
  let right = -1;
  let bottom = -1;
  let start = 0;
  for (let i = 0; i < counts.length; i++) {
    const length = counts[i]!;
    if (i & 1 && length > 0) {
      const last = start + length - 1;
      const firstColumn = Math.floor(start / height);
      const lastColumn = Math.floor(last / height);
      left = Math.min(left, firstColumn);
      right = Math.max(right, lastColumn);
      // A run that goes on in the next column covers this one's foot and that one's head.
      const wraps = lastColumn > firstColumn;
      top = Math.min(top, wraps ? 0 : start % height);
      bottom = Math.max(bottom, wraps ? height - 1 : last % height);
    }
    start += length;
  }
  return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1];
}

/**
 * A mask of a part of an image as a mask of the whole: pixel (0, 0) of the part is (x, y) of the image of `size`.
 * Throws `RangeError` if the part reaches beyond the image.
 */
export function placeRle(
  { size: [height, width], counts }: Rle,
  [x, y]: readonly [number, number],
  size: Rle['size'],
): Rle {
  const [wholeHeight, wholeWidth] = size;
  if (x < 0 || y < 0 || x + width > wholeWidth || y + height > wholeHeight) {
    throw new RangeError(
      `a part of ${height}x${width} at ${x},${y} reaches beyond ${wholeHeight}x${wholeWidth} pixels`,
    );
  }
  const out: number[] = [];
  let end = 0;
  const add = (start: number, length: number) => {
    if (start === end && out.length > 0) out[out.length - 1]! += length;
    else out.push(start - end, length);
    end = start + length;
  };
  let position = 0;
  for (let i = 0; i < counts.length; i++) {
    const next = position + counts[i]!;
    while (i & 1 && position < next) {
      const column = Math.floor(position / height);
      const length = Math.min(next, (column + 1) * height) - position;
      add((x + column) * wholeHeight + y + (position - column * height), length);
      position += length;
    }
    position = next;
  }
  const rest = wholeHeight * wholeWidth - end;
  if (rest > 0 || out.length === 0) out.push(rest);
  return { size, counts: out };
}
