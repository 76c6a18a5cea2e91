import type { LabelMap } from '../io/label-map.js';
import type { Rle } from '../io/rle.js';
import { findStrays, type LabelPiece, piecesById, pixelsOf, straysOf, withoutPixels } from '../tracking/strays.js';
import { forEachPixel } from './paint.js';

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
    const found = findStrays(trusted, labels);
    if (candidates.length === 0) return found;
    const pieces = piecesById(labels);
    for (const candidate of candidates) {
      const division = divide(labels, pieces, candidate);
      if (division) found.push(...straysOf(trusted, ...division));
    }
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
  pieces: ReadonlyMap<number, readonly LabelPiece[]>,
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
  const rest = pieces.get(id)!.flatMap((piece) => pixelsOf(piece).filter((at) => !inside.has(at)));
  return rest.length === 0 ? undefined : [id, [pixels, rest]];
}
