import { emptyLabelMap, type LabelMap } from '../io/label-map.js';
import type { Rle } from '../io/rle.js';
import { forEachPixel } from './paint.js';

/** A connected group of pixels of one id. */
interface Component {
  id: number;
  pixels: number[];
}

/** Connected groups of pixels of equal id, 8 neighbours each. */
function componentsOf({ width, height, data }: LabelMap): Component[] {
  const seen = new Uint8Array(data.length);
  const components: Component[] = [];
  for (let start = 0; start < data.length; start++) {
    const id = data[start]!;
    if (id === 0 || seen[start]) continue;
    const pixels = [start];
    seen[start] = 1;
    for (let i = 0; i < pixels.length; i++) {
      const x = pixels[i]! % width;
      const y = (pixels[i]! - x) / width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (seen[next] || data[next] !== id) continue;
          seen[next] = 1;
          pixels.push(next);
        }
      }
    }
    components.push({ id, pixels });
  }
  return components;
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
const REMAINDER = 0.25;

/**
 * Tells pieces of a tracked object from things that the tracker took for it.
 *
 * A tracker knows only its objects: it may give one's id to something else that comes into view, which then counts as tracked, so that comparing
 * masks would never find it. A stray is a part of an object that appears far from where the object was one frame before, while the object
 * is still there. Parts that an occluder cuts off remain near; an object that comes back elsewhere as a whole is no stray either.
 */
export class StrayWatch {
  /** The tracked objects without strays, one frame before. */
  private trusted: LabelMap | undefined;

  /**
   * Strays of the frame after the one observed last.
   * @param candidates masks of the frame that may be objects: each tells a piece apart from the rest, also where the two touch
   * @returns positions `y * width + x`, one list for each stray
   */
  strays(labels: LabelMap, candidates: readonly Rle[] = []): number[][] {
    const { trusted } = this;
    if (!trusted || trusted.width !== labels.width || trusted.height !== labels.height) return [];
    const parts = new Map<number, number[][]>();
    for (const { id, pixels } of componentsOf(labels)) {
      const list = parts.get(id);
      if (list) list.push(pixels);
      else parts.set(id, [pixels]);
    }
    const divisions = [...parts].filter(([, list]) => list.length > 1);
    for (const candidate of candidates) {
      const division = divide(labels, parts, candidate);
      if (division) divisions.push(division);
    }
    const found: number[][] = [];
    for (const [id, list] of divisions) found.push(...straysOf(new Neighbourhood(trusted, id), list, labels));
    return found;
  }

  /** Takes in a frame's masks; frames come in order. */
  observe(labels: LabelMap): void {
    this.trusted = withoutPixels(labels, this.strays(labels));
  }
}

/** The object that a candidate lies on, divided into what the candidate covers and the rest; undefined if it covers all of it or too little. */
function divide(
  { data }: LabelMap,
  parts: ReadonlyMap<number, readonly number[][]>,
  candidate: Rle,
): [id: number, parts: number[][]] | undefined {
  const covered = new Map<number, number[]>();
  forEachPixel(candidate, (at) => {
    const list = covered.get(data[at]!);
    if (list) list.push(at);
    else covered.set(data[at]!, [at]);
  });
  const [id, pixels] = [...covered].reduce((a, b) => (b[1].length > a[1].length ? b : a), [0, [] as number[]]);
  if (id === 0) return undefined;
  const inside = new Set(pixels);
  const rest = parts.get(id)!.flatMap((part) => part.filter((at) => !inside.has(at)));
  return rest.length === 0 ? undefined : [id, [pixels, rest]];
}

/** Those of an object's parts that do not touch where it was, as far as it may have moved, while enough of it does. */
function straysOf(before: Neighbourhood, parts: readonly number[][], { width, height }: LabelMap): number[][] {
  if (before.area === 0) return [];
  // What overlaps most with where the object was tells how it moves.
  const overlaps = parts.map((pixels) => pixels.filter((at) => before.has(at, 0)).length);
  const main = parts[overlaps.indexOf(Math.max(...overlaps))]!;
  let [sx, sy] = [0, 0];
  for (const at of main) {
    sx += at % width;
    sy += Math.floor(at / width);
  }
  const motion = Math.hypot(sx / main.length - before.centre[0], sy / main.length - before.centre[1]);
  const diagonal = Math.hypot(width, height);
  const reach = Math.ceil(SLACK * diagonal + Math.min(motion, FASTEST * diagonal));
  const isNear = (pixels: readonly number[]) => pixels.some((at) => before.has(at, reach));
  const far = parts.filter((pixels) => !isNear(pixels));
  const near = parts.reduce((sum, pixels) => sum + (far.includes(pixels) ? 0 : pixels.length), 0);
  return near > 0 && near >= REMAINDER * before.area ? far : [];
}

/** A label map with some of its pixels made background. */
export function withoutPixels(labels: LabelMap, parts: readonly (readonly number[])[]): LabelMap {
  const { width, height } = labels;
  const map = emptyLabelMap(width, height);
  map.data.set(labels.data);
  for (const pixels of parts) for (const at of pixels) map.data[at] = 0;
  return map;
}
