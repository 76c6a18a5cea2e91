import { emptyLabelMap, type LabelMap } from '../io/label-map.js';
import { DISCOVERY_DEFAULTS } from './defaults.js';

/** What the comparison says of one object of the segmentation. */
export interface MaskComparison {
  /** Id in the segmentation. */
  id: number;
  /** Pixels in the segmentation: x_s. */
  visible: number;
  /** Pixels of them that belong to no tracked object: x_n. */
  fresh: number;
  /** x_n / x_s, 0..1. */
  coverage: number;
}

/** Options of the comparing mask results module. */
export interface CmrOptions {
  /** Least share of a mask that must lie on untracked background: t of Eq. 2; default 0.8. */
  threshold?: number | undefined;
  /** A share equal to the threshold is too small, as Eq. 2 is printed; by default it is enough, as in the published program. */
  strict?: boolean | undefined;
}

/**
 * Comparing mask results (CMR), Eq. 1: N = T0 * S, the segmentation where nothing is tracked, and the two areas of Eq. 2 for each object of it.
 *
 * Source: Cheng et al., "Segment and Track Anything" (arXiv 2305.06558), section 3.3.
 * @param tracked T, ids of the tracked objects
 * @param segmented S, ids of the segmented objects; its numbering has nothing to do with that of `tracked`
 * @returns N, with the ids of the segmentation, and the comparisons in ascending id order
 * Throws `RangeError` for maps of different sizes.
 */
export function compareMasks(tracked: LabelMap, segmented: LabelMap): { fresh: LabelMap; objects: MaskComparison[] } {
  const { width, height } = segmented;
  if (tracked.width !== width || tracked.height !== height) {
    throw new RangeError(
      `a segmentation of ${width}x${height} pixels cannot be compared with tracked masks of ${tracked.width}x${tracked.height}`,
    );
  }
  const fresh = emptyLabelMap(width, height);
  const visible = new Uint32Array(65536);
  const untracked = new Uint32Array(65536);
  for (let i = 0; i < fresh.data.length; i++) {
    const id = segmented.data[i]!;
    if (id === 0) continue;
    visible[id]!++;
    if (tracked.data[i] === 0) {
      fresh.data[i] = id;
      untracked[id]!++;
    }
  }
  const objects: MaskComparison[] = [];
  for (let id = 1; id < visible.length; id++) {
    const [xs, xn] = [visible[id]!, untracked[id]!];
    if (xs > 0) objects.push({ id, visible: xs, fresh: xn, coverage: xn / xs });
  }
  return { fresh, objects };
}

/** Eq. 2: an object is new if more than a share t of its mask lies on untracked background. */
export const isNewObject = (
  coverage: number,
  { threshold = DISCOVERY_DEFAULTS.threshold, strict = false }: CmrOptions = {},
): boolean => (strict ? coverage > threshold : coverage >= threshold);
