import { emptyLabelMap, type LabelMap } from '../io/label-map.js';

/** A connected group of pixels of one id, 8 neighbours each. */
export interface LabelPiece {
  readonly id: number;
  readonly area: number;
  /** Its pixels as runs of positions `y * width + x`: first, behind the last, first, ... in ascending order. */
  readonly runs: readonly number[];
}

/** Positions of a piece's pixels, ascending. */
export function pixelsOf({ area, runs }: LabelPiece): number[] {
  const pixels = new Array<number>(area);
  for (let r = 0, i = 0; r < runs.length; r += 2) for (let at = runs[r]!; at < runs[r + 1]!; at++) pixels[i++] = at;
  return pixels;
}

/** Connected groups of pixels of equal id, by their first pixel: runs of rows are joined with those above them. */
export function labelPieces({ width, height, data }: LabelMap): LabelPiece[] {
  const starts: number[] = [];
  const ends: number[] = [];
  const parents: number[] = [];
  const root = (run: number): number => {
    while (parents[run] !== run) run = parents[run] = parents[parents[run]!]!;
    return run;
  };
  let above = 0;
  for (let y = 0, row = 0; y < height; y++, row += width) {
    const first = starts.length;
    const end = row + width;
    let candidate = above;
    for (let at = row; at < end; ) {
      const id = data[at]!;
      const start = at++;
      while (at < end && data[at] === id) at++;
      if (id === 0) continue;
      const run = starts.length;
      starts.push(start);
      ends.push(at);
      parents.push(run);
      // Runs above that end before this one begins lie before all that follow, too.
      while (candidate < first && ends[candidate]! < start - width) candidate++;
      for (let other = candidate; other < first && starts[other]! <= at - width; other++) {
        if (data[starts[other]!] !== id) continue;
        const [a, b] = [root(run), root(other)];
        parents[Math.max(a, b)] = Math.min(a, b);
      }
    }
    above = first;
  }
  const pieces = new Map<number, { id: number; area: number; runs: number[] }>();
  for (const [run, start] of starts.entries()) {
    const key = root(run);
    let piece = pieces.get(key);
    if (!piece) pieces.set(key, (piece = { id: data[start]!, area: 0, runs: [] }));
    piece.area += ends[run]! - start;
    piece.runs.push(start, ends[run]!);
  }
  return [...pieces.values()];
}

/** Pieces by the object that they are of. */
export function piecesById(labels: LabelMap): Map<number, LabelPiece[]> {
  const parts = new Map<number, LabelPiece[]>();
  for (const piece of labelPieces(labels)) {
    const list = parts.get(piece.id);
    if (list) list.push(piece);
    else parts.set(piece.id, [piece]);
  }
  return parts;
}

/** Where an object was, for questions about what is near it. */
class Neighbourhood {
  /** Sums of the object's pixels above and left of each position. */
  private readonly sums: Uint32Array;
  private readonly width: number;
  private readonly height: number;
  readonly area: number;
  readonly centre: readonly [x: number, y: number];

  constructor({ width, height, data }: LabelMap, id: number) {
    this.width = width;
    this.height = height;
    const stride = width + 1;
    this.sums = new Uint32Array(stride * (height + 1));
    let [sx, sy] = [0, 0];
    for (let y = 0; y < height; y++) {
      for (let x = 0, row = 0; x < width; x++) {
        if (data[y * width + x] === id) {
          row++;
          sx += x;
          sy += y;
        }
        this.sums[(y + 1) * stride + x + 1] = this.sums[y * stride + x + 1]! + row;
      }
    }
    this.area = this.sums.at(-1)!;
    this.centre = [sx / this.area, sy / this.area];
  }

  /** Whether the object has a pixel in the square of `reach` pixels around a position. */
  has(at: number, reach: number): boolean {
    const [x, y] = [at % this.width, Math.floor(at / this.width)];
    const [left, right] = [Math.max(0, x - reach), Math.min(this.width, x + reach + 1)];
    const [top, bottom] = [
      Math.max(0, y - reach) * (this.width + 1),
      Math.min(this.height, y + reach + 1) * (this.width + 1),
    ];
    const { sums } = this;
    return sums[bottom + right]! - sums[bottom + left]! - sums[top + right]! + sums[top + left]! > 0;
  }
}

/** How far parts of an object may stray from where it was, besides its own motion; shares of the frame's diagonal. */
const SLACK = 0.01;
const FASTEST = 0.04;
/** Least share of an object's last area that must still be where it was for another part to be a stray. */
const REMAINDER = 0.6;

/**
 * Those of an object's parts that do not touch where it was, as far as it may have moved, while enough of it does.
 * @param before The frame before.
 * @param parts Their pixels in the frame after it.
 */
export function straysOf(before: LabelMap, id: number, parts: readonly number[][]): number[][] {
  const { width, height } = before;
  const place = new Neighbourhood(before, id);
  if (place.area === 0) return [];
  // What overlaps most with where the object was tells how it moves.
  const overlaps = parts.map((pixels) => pixels.filter((at) => place.has(at, 0)).length);
  const main = parts[overlaps.indexOf(Math.max(...overlaps))]!;
  let [sx, sy] = [0, 0];
  for (const at of main) {
    sx += at % width;
    sy += Math.floor(at / width);
  }
  const motion = Math.hypot(sx / main.length - place.centre[0], sy / main.length - place.centre[1]);
  const diagonal = Math.hypot(width, height);
  const reach = Math.ceil(SLACK * diagonal + Math.min(motion, FASTEST * diagonal));
  const isNear = (pixels: readonly number[]) => pixels.some((at) => place.has(at, reach));
  const far = parts.filter((pixels) => !isNear(pixels));
  const near = parts.reduce((sum, pixels) => sum + (far.includes(pixels) ? 0 : pixels.length), 0);
  if (near === 0 || near < REMAINDER * place.area) return [];
  // What an object loses behind something it may show again on the other side; what enters the picture was never there.
  const isEntering = (pixels: readonly number[]) => pixels.some((at) => isAtEdge(at, before));
  return far.filter((pixels) => near + pixels.length > place.area || isEntering(pixels));
}

const isAtEdge = (at: number, { width, height }: LabelMap): boolean => {
  const [x, y] = [at % width, Math.floor(at / width)];
  return x === 0 || y === 0 || x === width - 1 || y === height - 1;
};

/**
 * Parts of objects that appear far from where the objects were one frame before, while these are still there: other things that look like
 * them. Parts that an occluder cuts off remain near; an object that comes back elsewhere as a whole is no stray either.
 * @returns positions `y * width + x`, one list for each stray
 */
export function findStrays(before: LabelMap, labels: LabelMap): number[][] {
  const strays: number[][] = [];
  for (const [id, pieces] of piecesById(labels)) {
    if (pieces.length > 1) strays.push(...straysOf(before, id, pieces.map(pixelsOf)));
  }
  return strays;
}

/** A label map with some of its pixels made background. */
export function withoutPixels(labels: LabelMap, parts: readonly (readonly number[])[]): LabelMap {
  const { width, height } = labels;
  const map = emptyLabelMap(width, height);
  map.data.set(labels.data);
  for (const pixels of parts) for (const at of pixels) map.data[at] = 0;
  return map;
}
