import { type LabelMap, maxLabelId } from '../io/label-map.js';
import { labelMapToRles, type Rle, rleBbox } from '../io/rle.js';
import { type Candidate, withoutDoubles } from './candidate.js';
import { type CmrOptions, compareMasks, isNewObject } from './cmr.js';
import { DISCOVERY_DEFAULTS as DEFAULTS } from './defaults.js';
import { DiscoveryError } from './errors.js';
import { forEachPixel, paint } from './paint.js';

/** The largest id a label map can hold. */
export const MAX_ID = 65535;

/** An object that has had an id, whether it is to be seen or not. */
export interface KnownObject {
  id: number;
  label?: string;
}

/** Options of `discover`. */
export interface DiscoverOptions extends CmrOptions {
  /** Least number of untracked pixels of a new object; default 200. */
  minArea?: number | undefined;
  /** Highest id that may be given, up to 65535; default 255, the most that 8-bit masks can hold. */
  maxObjects?: number | undefined;
  /** Most objects of a class, by label; those that are known already count. */
  classCaps?: Readonly<Record<string, number>> | undefined;
  /** All candidates of a frame are refused if together they would cover more than this share of it; default 1, never. */
  maxNewShare?: number | undefined;
  /** Of two candidates with an IoU above this, the one with the higher score stays; default 0.8. */
  duplicateIou?: number | undefined;
  /** Objects that exist or have existed: their ids are never given again. Ids in the label map count in any case. */
  known?: Iterable<KnownObject> | undefined;
  /** New objects are not added but queued for a person to decide. */
  review?: boolean | undefined;
}

/** Why a candidate is no new object. */
export type RejectionReason =
  /** Another candidate with a higher score covers nearly the same pixels. */
  | 'duplicate'
  /** Smaller candidates lie over all of it. */
  | 'hidden'
  /** Too much of it is tracked already (Eq. 2). */
  | 'tracked'
  | 'small'
  /** The frames that follow do not show it. */
  | 'unconfirmed'
  | 'class-limit'
  | 'object-limit'
  /** The new objects of this frame would cover too much of it. */
  | 'new-share';

/** A candidate that was not taken, and why. */
export interface Rejection {
  candidate: Candidate;
  reason: RejectionReason;
}

/** A candidate that passed the comparison with what is tracked. */
export interface Proposal {
  candidate: Candidate;
  label?: string;
  score?: number;
  /** The candidate's untracked and visible pixels. */
  mask: Rle;
  /** Of the mask, in pixels. */
  area: number;
  /** Tight box around the mask: left, top, width, height, as in COCO. A `Box` has corners. */
  bbox: readonly [x: number, y: number, width: number, height: number];
  /** Share of the visible candidate that is not tracked. */
  coverage: number;
}

/** A proposal that has become an object. */
export interface NewObject extends Proposal {
  id: number;
}

/** What came of a frame's candidates; every one of them is in exactly one of the three lists. */
export interface Discovery {
  /** The tracked map with the accepted objects on what was background: a new map, or the one given if there are none. */
  labels: LabelMap;
  accepted: NewObject[];
  queued: Proposal[];
  rejected: Rejection[];
}

function checkOptions(options: DiscoverOptions): void {
  const {
    threshold = DEFAULTS.threshold,
    minArea = DEFAULTS.minArea,
    maxObjects = DEFAULTS.maxObjects,
    maxNewShare = DEFAULTS.maxNewShare,
    duplicateIou = DEFAULTS.duplicateIou,
  } = options;
  const shares = { threshold, maxNewShare, duplicateIou };
  for (const [name, value] of Object.entries(shares)) {
    if (!(value >= 0 && value <= 1)) throw new DiscoveryError('bad-option', name, `${value} is not between 0 and 1`);
  }
  if (!(minArea >= 0)) throw new DiscoveryError('bad-option', 'minArea', `${minArea} is not a number of pixels`);
  if (!Number.isInteger(maxObjects) || maxObjects < 1 || maxObjects > MAX_ID) {
    throw new DiscoveryError('bad-option', 'maxObjects', `${maxObjects} is not a whole number from 1 to ${MAX_ID}`);
  }
  for (const [label, cap] of Object.entries(options.classCaps ?? {})) {
    if (!Number.isInteger(cap) || cap < 0) {
      throw new DiscoveryError('bad-option', `classCaps.${label}`, `${cap} is not a number of objects`);
    }
  }
}

/**
 * The candidates that show something untracked, by comparing mask results (`compareMasks`) and the minimum area.
 *
 * The segmentation S of Eq. 1 is painted from the candidates without doubles, small ones over large ones, so that the order in which they come
 * does not matter. Throws `DiscoveryError`: `bad-option`, `size-mismatch`.
 */
export function propose(
  labels: LabelMap,
  candidates: readonly Candidate[],
  options: DiscoverOptions = {},
): { proposals: Proposal[]; rejected: Rejection[] } {
  checkOptions(options);
  const { width, height } = labels;
  for (const [i, { mask }] of candidates.entries()) {
    if (mask.size[0] !== height || mask.size[1] !== width) {
      throw new DiscoveryError(
        'size-mismatch',
        `candidate ${i}`,
        `its mask has ${mask.size[1]}x${mask.size[0]} pixels, the frame has ${width}x${height}`,
      );
    }
  }
  const { kept, dropped } = withoutDoubles(candidates, options.duplicateIou ?? DEFAULTS.duplicateIou);
  const rejected: Rejection[] = dropped.map((candidate) => ({ candidate, reason: 'duplicate' }));
  if (kept.length > MAX_ID) throw new DiscoveryError('size-mismatch', 'candidates', `${kept.length} in one frame`);
  const { fresh, objects } = compareMasks(labels, paint(kept, width, height));
  const freshMasks = labelMapToRles(fresh);
  const comparisons = new Map(objects.map((object) => [object.id, object]));
  const proposals: Proposal[] = [];
  for (const [i, candidate] of kept.entries()) {
    const comparison = comparisons.get(i + 1);
    const reason = !comparison
      ? 'hidden'
      : !isNewObject(comparison.coverage, options)
        ? 'tracked'
        : comparison.fresh < (options.minArea ?? DEFAULTS.minArea) || comparison.fresh === 0
          ? 'small'
          : undefined;
    if (reason) {
      rejected.push({ candidate, reason });
      continue;
    }
    const mask = freshMasks.get(i + 1)!;
    const { label, score } = candidate;
    const { fresh: area, coverage } = comparison!;
    proposals.push({ candidate, label, score, mask, area, bbox: rleBbox(mask), coverage });
  }
  return { proposals, rejected };
}

/**
 * Gives ids to proposals, within the caps, and adds them to the map where it is background. Ids begin above every id ever used: a new object
 * never takes the id of another one, and no id moves.
 * @throws DiscoveryError `bad-option`
 */
export function admit(labels: LabelMap, proposals: readonly Proposal[], options: DiscoverOptions = {}): Discovery {
  checkOptions(options);
  const { maxObjects = DEFAULTS.maxObjects, classCaps = {}, maxNewShare = DEFAULTS.maxNewShare } = options;
  const known = [...(options.known ?? [])];
  let next = known.reduce((max, { id }) => Math.max(max, id), maxLabelId(labels)) + 1;
  const ofClass = new Map<string, number>();
  for (const { label } of known) if (label !== undefined) ofClass.set(label, (ofClass.get(label) ?? 0) + 1);

  const accepted: NewObject[] = [];
  const rejected: Rejection[] = [];
  for (const proposal of proposals) {
    const { label, candidate } = proposal;
    const count = label === undefined ? 0 : (ofClass.get(label) ?? 0);
    const cap = label !== undefined && Object.hasOwn(classCaps, label) ? classCaps[label]! : Number.POSITIVE_INFINITY;
    if (count >= cap) {
      rejected.push({ candidate, reason: 'class-limit' });
    } else if (next > maxObjects) {
      rejected.push({ candidate, reason: 'object-limit' });
    } else {
      if (label !== undefined) ofClass.set(label, count + 1);
      accepted.push({ ...proposal, id: next++ });
    }
  }
  const pixels = labels.width * labels.height;
  if (accepted.reduce((sum, { area }) => sum + area, 0) > maxNewShare * pixels) {
    rejected.push(...accepted.map(({ candidate }) => ({ candidate, reason: 'new-share' as const })));
    accepted.length = 0;
  }
  if (accepted.length === 0) return { labels, accepted, queued: [], rejected };

  const merged = { ...labels, data: labels.data.slice() };
  for (const object of accepted) {
    forEachPixel(object.mask, (at) => {
      if (merged.data[at] === 0) merged.data[at] = object.id;
    });
  }
  return { labels: merged, accepted, queued: [], rejected };
}

/**
 * Decides which candidates of a frame are new objects, and adds them; with `review` it queues them instead.
 *
 *     const { labels, accepted, queued, rejected } = discover(tracked, candidates, { known: objects });
 *
 * The result depends on the set of candidates and not on their order. Where candidates are confirmed by later frames, `propose`, `confirmedBy` and
 * `admit` do the same in steps. @throws DiscoveryError
 */
export function discover(labels: LabelMap, candidates: readonly Candidate[], options: DiscoverOptions = {}): Discovery {
  const { proposals, rejected } = propose(labels, candidates, options);
  if (options.review) return { labels, accepted: [], queued: proposals, rejected };
  const admitted = admit(labels, proposals, options);
  return { ...admitted, rejected: [...rejected, ...admitted.rejected] };
}
