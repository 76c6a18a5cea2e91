import { type Rle, rleArea } from '../io/rle.js';

/** A mask that may show an object nobody tracks yet: of a segmenter, or of a detector and a segmenter. */
export interface Candidate {
  /** Of the frame's size. */
  mask: Rle;
  /** 0..1, where whatever found it says so. */
  score?: number;
  /** Class, where it was found by its description. */
  label?: string;
}

/** Pixels that two masks of one size share. */
function sharedArea(a: Rle, b: Rle): number {
  let shared = 0;
  let [i, j] = [0, 0];
  let [endA, endB] = [a.counts[0] ?? 0, b.counts[0] ?? 0];
  let position = 0;
  while (i < a.counts.length && j < b.counts.length) {
    const end = Math.min(endA, endB);
    if (i & j & 1) shared += end - position;
    position = end;
    if (endA === end) endA += a.counts[++i] ?? 0;
    if (endB === end) endB += b.counts[++j] ?? 0;
  }
  return shared;
}

/** Intersection over union of two masks of one size; 0 if both are empty. */
export function rleIou(a: Rle, b: Rle): number {
  const shared = sharedArea(a, b);
  const union = rleArea(a) + rleArea(b) - shared;
  return union === 0 ? 0 : shared / union;
}

/** Which of two masks begins further to the left, then further up, then ends earlier, ...: an order that depends on pixels alone. */
function comparePixels(a: Rle, b: Rle): number {
  for (let i = 0; i < Math.max(a.counts.length, b.counts.length); i++) {
    const difference = (a.counts[i] ?? 0) - (b.counts[i] ?? 0);
    if (difference) return difference;
  }
  return 0;
}

/** By code units, as it must be the same in every locale. */
const compareText = (a = '', b = ''): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Candidates in an order that depends on what they are and not on how they came: larger ones first, so that a small mask painted later
 * lies on top of a large one that surrounds it.
 */
export function canonicalOrder<T extends Candidate>(candidates: readonly T[]): T[] {
  const keyed = candidates.map((candidate) => ({ candidate, area: rleArea(candidate.mask) }));
  keyed.sort(
    (a, b) =>
      b.area - a.area ||
      comparePixels(a.candidate.mask, b.candidate.mask) ||
      (b.candidate.score ?? 0) - (a.candidate.score ?? 0) ||
      compareText(a.candidate.label, b.candidate.label),
  );
  return keyed.map(({ candidate }) => candidate);
}

/**
 * Candidates without the doubles: of two whose IoU is above `iou`, the one with the higher score stays.
 * @returns those kept, in canonical order, and those dropped
 */
export function withoutDoubles<T extends Candidate>(
  candidates: readonly T[],
  iou: number,
): { kept: T[]; dropped: T[] } {
  const ordered = canonicalOrder(candidates);
  const best = ordered.slice().sort((a, b) => (b.score ?? 0) - (a.score ?? 0));
  const kept = new Set<T>();
  for (const candidate of best) {
    if (![...kept].some((other) => rleIou(other.mask, candidate.mask) > iou)) kept.add(candidate);
  }
  return { kept: ordered.filter((c) => kept.has(c)), dropped: ordered.filter((c) => !kept.has(c)) };
}
