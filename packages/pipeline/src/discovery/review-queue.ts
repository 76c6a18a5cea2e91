import type { RgbaImage } from '../io/index.js';
import { type Appearance, appearanceOf, colourDifference } from './appearance.js';
import { rleIou } from './candidate.js';
import type { Proposal } from './discover.js';

/** A proposal that waits for a person's decision. */
export interface QueuedProposal extends Proposal {
  /** Names it for good; 1, 2, ... in the order of arrival. */
  key: number;
  /** Frame in which it was seen last, and of which its mask is. */
  frame: number;
  /** Frame in which it was seen first. */
  firstFrame: number;
  /** How often it was proposed. */
  seen: number;
}

/** How something looked in a frame. */
interface Look {
  readonly frame: number;
  readonly mask: Proposal['mask'];
  readonly appearance: Appearance | undefined;
}

/** Something that was proposed once, and may be proposed again. */
interface Known {
  /** In the order in which they were added. */
  readonly looks: Look[];
  /** Undefined once it was dismissed. */
  entry: QueuedProposal | undefined;
}

/** Most that the colours differ, and least ratio of the smaller to the larger area, of a thing that has moved. */
const MOST_DIFFERENCE = 0.15;
const LEAST_AREA_RATIO = 1 / 3;
/** How far something gets in a frame at most, and at all, as shares of the picture's diagonal; its own size comes on top of the first. */
const REACH_A_FRAME = 0.03;
const MOST_REACH = 0.35;
/** Looks at one thing that are kept. */
const MOST_LOOKS = 500;

/**
 * Candidates for new objects, one entry each however often they are proposed: what is proposed again replaces the waiting one, and what was
 * dismissed is not shown again.
 *
 * Two proposals are the same thing if their masks overlap. Where one has moved by more than its own size from one look to the next, they
 * are also the same if it has the same colours, about the same size, and is where its way may have led; of several, the nearest one. It is
 * compared with the look nearest in time, so that a second run over the same frames finds again what the first one has found.
 */
export class ReviewQueue {
  private readonly known: Known[] = [];
  private nextKey = 1;

  /** @param iou overlap from which two masks are the same candidate */
  constructor(private readonly iou = 0.3) {}

  /** Those that wait, in the order of arrival. */
  get waiting(): readonly QueuedProposal[] {
    return this.known.flatMap(({ entry }) => (entry ? [entry] : [])).sort((a, b) => a.key - b.key);
  }

  /**
   * @param picture of the frame; without it masks that do not overlap are different things
   * @returns the entries that are new
   */
  add(frame: number, proposals: readonly Proposal[], picture?: RgbaImage): QueuedProposal[] {
    const looks = proposals.map(
      ({ mask }): Look => ({ frame, mask, appearance: picture && appearanceOf(mask, picture) }),
    );
    // All are compared with what was known before this frame.
    const same = this.match(looks, picture && Math.hypot(picture.width, picture.height));
    const added: QueuedProposal[] = [];
    for (const [i, proposal] of proposals.entries()) {
      const known = same.get(i);
      if (known) {
        remember(known.looks, looks[i]!);
        if (known.entry) known.entry = { ...known.entry, ...proposal, frame, seen: known.entry.seen + 1 };
        continue;
      }
      const entry = { ...proposal, key: this.nextKey++, frame, firstFrame: frame, seen: 1 };
      this.known.push({ looks: [looks[i]!], entry });
      added.push(entry);
    }
    return added;
  }

  /** Takes an entry out, to make it an object; undefined if there is no such entry. */
  take(key: number): QueuedProposal | undefined {
    const at = this.known.findIndex(({ entry }) => entry?.key === key);
    return at < 0 ? undefined : this.known.splice(at, 1)[0]!.entry;
  }

  /** Takes an entry out for good. @returns whether there was one */
  dismiss(key: number): boolean {
    const known = this.known.find(({ entry }) => entry?.key === key);
    if (known) known.entry = undefined;
    return known !== undefined;
  }

  /** What the looks of a frame are of; what is of nothing known is left out. */
  private match(looks: readonly Look[], diagonal: number | undefined): Map<number, Known> {
    const same = new Map<number, Known>();
    for (const [i, look] of looks.entries()) {
      let most = this.iou;
      for (const known of this.known) {
        const overlap = rleIou(nearestInTime(known.looks, look.frame).mask, look.mask);
        // Of the same overlap, what was dismissed: it has been decided about.
        if (overlap > most || (overlap === most && !(same.get(i) && known.entry))) {
          most = overlap;
          same.set(i, known);
        }
      }
    }
    if (diagonal === undefined) return same;
    // A thing is in one place: what overlaps is taken, and of the rest the nearest pair comes first.
    const pairs = looks.flatMap((look, i) =>
      same.has(i)
        ? []
        : this.known.flatMap((known) => {
            const distance = wayTo(known.looks, look, diagonal);
            return distance === undefined ? [] : [{ i, known, distance }];
          }),
    );
    pairs.sort((a, b) => a.distance - b.distance);
    const taken = new Set(same.values());
    for (const { i, known } of pairs) {
      if (same.has(i) || taken.has(known)) continue;
      same.set(i, known);
      taken.add(known);
    }
    return same;
  }
}

/** Notes a look; of one frame the newest counts, and of very many every second one is enough. */
function remember(looks: Look[], look: Look): void {
  const at = looks.findIndex(({ frame }) => frame === look.frame);
  if (at >= 0) looks[at] = look;
  else looks.push(look);
  if (looks.length > MOST_LOOKS) looks.splice(0, looks.length, ...looks.filter((_, i) => (looks.length - i) % 2 === 1));
}

const nearestInTime = (looks: readonly Look[], frame: number): Look =>
  looks.reduce((best, look) => (Math.abs(look.frame - frame) <= Math.abs(best.frame - frame) ? look : best));

/** From where a thing is expected to where something is that may be it, in pixels; undefined where it cannot be. */
function wayTo(looks: readonly Look[], { frame, appearance }: Look, diagonal: number): number | undefined {
  const { frame: before, appearance: was } = nearestInTime(looks, frame);
  if (!appearance || !was || frame === before) return undefined;
  const ratio = Math.min(was.area, appearance.area) / Math.max(was.area, appearance.area);
  if (ratio < LEAST_AREA_RATIO || colourDifference(was, appearance) > MOST_DIFFERENCE) return undefined;
  const [x, y] = expected(looks, before, frame) ?? was.centre;
  const distance = Math.hypot(appearance.centre[0] - x, appearance.centre[1] - y);
  const reach = REACH_A_FRAME * diagonal * Math.abs(frame - before) + Math.sqrt(was.area);
  return distance <= Math.min(reach, MOST_REACH * diagonal) ? distance : undefined;
}

/** Where a thing would be if it went on from its nearest look as between that one and the one before it. */
function expected(looks: readonly Look[], from: number, to: number): readonly [number, number] | undefined {
  const here = looks.find(({ frame }) => frame === from)?.appearance;
  const others = looks.filter(({ frame }) => frame !== from);
  if (!here || others.length === 0) return undefined;
  const { frame, appearance: before } = nearestInTime(others, from);
  if (!before) return undefined;
  const share = (to - from) / (from - frame);
  // What was seen long ago says little of where it is going.
  if (Math.abs(share) > 2) return undefined;
  return [
    here.centre[0] + share * (here.centre[0] - before.centre[0]),
    here.centre[1] + share * (here.centre[1] - before.centre[1]),
  ];
}
