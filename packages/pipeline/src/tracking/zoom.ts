import { checkLabels, checkPixels, type Size, type WindowOf } from '@samtrack/models';
import type { LabelMap } from '../io/index.js';

/** Sides of the window, as multiples of those of the box around the objects. */
const MARGIN = 1.5;
/** Sides of the window at least, as shares of the frame's. */
const LEAST = 1 / 2;
/** A window that enlarges what it shows by less than this is not worth it. */
const LEAST_FACTOR = 1.1;
/** Objects whose core, enlarged by this, no longer fits into the window are looked for in the whole frame. */
const ROOM = 1.25;

/** Pixels within which a window's rim cuts off what is seen. */
const RIM = 2;
/** Share of an object's pixels at either end of each axis that the window does not follow: a fragment would drag it along. */
const OUTERMOST = 0.05;

/** Left, top, right and bottom; right and bottom are the first column and row that are not part of it. */
export type Bounds = readonly [x0: number, y0: number, x1: number, y1: number];

/** Where objects are in a frame. */
export interface Extent {
  /** Ids present. */
  readonly ids: ReadonlySet<number>;
  /** Around all of them. */
  readonly box: Bounds;
  /** Around all but their outermost parts. */
  readonly core: Bounds;
}

/** Pixels of an object in each column and each row. */
interface Counts {
  columns: Uint32Array;
  rows: Uint32Array;
}

/** @returns undefined for background only */
export function extentOf({ width, height, data }: LabelMap): Extent | undefined {
  const counts = new Map<number, Counts>();
  let last = 0;
  let of: Counts = { columns: new Uint32Array(0), rows: new Uint32Array(0) };
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const id = data[at]!;
      if (id === 0) continue;
      if (id !== last) {
        of = counts.get(id) ?? { columns: new Uint32Array(width), rows: new Uint32Array(height) };
        counts.set((last = id), of);
      }
      of.columns[x]!++;
      of.rows[y]!++;
    }
  }
  if (counts.size === 0) return undefined;
  const around = (share: number): Bounds => {
    const columns = [...counts.values()].map((count) => span(count.columns, share));
    const rows = [...counts.values()].map((count) => span(count.rows, share));
    const first = (spans: readonly [number, number][]) => Math.min(...spans.map(([low]) => low));
    const end = (spans: readonly [number, number][]) => Math.max(...spans.map(([, high]) => high));
    return [first(columns), first(rows), end(columns), end(rows)];
  };
  return { ids: new Set(counts.keys()), box: around(0), core: around(OUTERMOST) };
}

/** The first and the behind-the-last index of what is left without a share of all at either end. */
function span(counts: Uint32Array, share: number): [first: number, end: number] {
  const most = share * counts.reduce((sum, count) => sum + count, 0);
  const after = (indices: Iterable<number>) => {
    let sum = 0;
    for (const i of indices) if ((sum += counts[i]!) > most) return i;
    return 0;
  };
  const backwards = Array.from(counts, (_, i) => counts.length - 1 - i);
  return [after(counts.keys()), after(backwards) + 1];
}

const sidesOf = ([x0, y0, x1, y1]: Bounds): Size => ({ height: y1 - y0, width: x1 - x0 });

/**
 * Size of the window in which the objects of reference frames are seen at a higher resolution, at the cost of a whole frame.
 * @returns undefined where they are too large, or too far from each other, for that to gain anything
 */
export function windowSize(frame: Size, references: readonly Extent[]): Size | undefined {
  if (references.length === 0) return undefined;
  const side = (name: keyof Size) => {
    const largest = Math.max(...references.map((reference) => sidesOf(reference.box)[name]));
    return Math.min(frame[name], Math.ceil(Math.max(MARGIN * largest, LEAST * frame[name])));
  };
  const size = { height: side('height'), width: side('width') };
  return zoomOf(frame, size).factor >= LEAST_FACTOR ? size : undefined;
}

/** How a window enlarges what it shows: it has as many pixels for the network as the whole frame would have. */
export const zoomOf = (whole: Size, window: Size): WindowOf => ({
  whole,
  factor: Math.sqrt((whole.height * whole.width) / (window.height * window.width)),
});

/**
 * Whether all of the objects are seen, have room in a window of the next frame, and do not reach the rim of one around where they were a
 * frame before, which would have cut them off.
 * @param before Their core then.
 */
export function fitsInto(
  window: Size,
  frame: Size,
  seen: Extent | undefined,
  before: Bounds | undefined,
  ids: ReadonlySet<number>,
): boolean {
  if (!seen) return false;
  for (const id of ids) if (!seen.ids.has(id)) return false;
  const sides = sidesOf(seen.core);
  const fits = (name: keyof Size) => window[name] === frame[name] || ROOM * sides[name] <= window[name];
  return fits('height') && fits('width') && FrameCrop.around(before, window, frame).holds(seen.box);
}

/** A part of frames, at whole pixels, so that what is found in it lies exactly where it belongs. */
export class FrameCrop {
  private constructor(
    readonly frame: Size,
    readonly size: Size,
    private readonly left: number,
    private readonly top: number,
  ) {}

  /** A window around objects, as far as the frame reaches; without any, in its middle. */
  static around(core: Bounds | undefined, size: Size, frame: Size): FrameCrop {
    const [x0, y0, x1, y1] = core ?? [0, 0, frame.width, frame.height];
    const place = (low: number, high: number, side: number, whole: number) =>
      Math.min(Math.max(0, Math.floor((low + high - side) / 2)), whole - side);
    return new FrameCrop(frame, size, place(x0, x1, size.width, frame.width), place(y0, y1, size.height, frame.height));
  }

  /** Whether a box ends before the rim, where the frame goes on behind it. */
  holds([x0, y0, x1, y1]: Bounds): boolean {
    const within = (start: number, side: number, whole: number, low: number, high: number) =>
      (start === 0 || low > start + RIM) && (start + side === whole || high < start + side - RIM);
    return (
      within(this.left, this.size.width, this.frame.width, x0, x1) &&
      within(this.top, this.size.height, this.frame.height, y0, y1)
    );
  }

  /** Row by row, the first position in the frame. */
  *#rows(): Generator<[inFrame: number, inCrop: number]> {
    const { left, top, size, frame } = this;
    for (let y = 0; y < size.height; y++) yield [(top + y) * frame.width + left, y * size.width];
  }

  /** RGBA bytes of the frame -> of the crop. @throws TrackerError `size` */
  pixels(rgba: Uint8Array): Uint8Array {
    checkPixels(rgba, this.frame);
    const out = new Uint8Array(this.size.width * this.size.height * 4);
    for (const [from, to] of this.#rows()) out.set(rgba.subarray(4 * from, 4 * (from + this.size.width)), 4 * to);
    return out;
  }

  /** Ids of the frame -> of the crop. @throws TrackerError `size` */
  labels(ids: Uint16Array): Uint16Array {
    checkLabels(ids, this.frame);
    const out = new Uint16Array(this.size.width * this.size.height);
    for (const [from, to] of this.#rows()) out.set(ids.subarray(from, from + this.size.width), to);
    return out;
  }

  /** Ids of the crop -> of the frame, background around them. */
  placed(ids: ArrayLike<number>): Uint16Array {
    const out = new Uint16Array(this.frame.width * this.frame.height);
    for (const [to, from] of this.#rows()) for (let x = 0; x < this.size.width; x++) out[to + x] = ids[from + x]!;
    return out;
  }
}
