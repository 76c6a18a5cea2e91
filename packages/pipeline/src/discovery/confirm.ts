import { type Candidate, rleIou } from './candidate.js';

/** How later frames confirm an object. */
export interface VoteOptions {
  /** Least IoU of an object's masks in consecutive frames; default 0.3. */
  iou?: number | undefined;
  /** Share of the later frames that must show the object; default 0.5. */
  share?: number | undefined;
}

/**
 * Whether the frames that follow show a candidate again: a vote before an id is born, against masks that flicker up in one frame.
 *
 * The candidate is followed from frame to frame by the best overlap; a frame without one counts against it, and the last mask found goes
 * on. Labels are not compared: a detector's wording changes from frame to frame. With no frame left to look at, a candidate is believed.
 * @param later candidates of each of the frames that follow
 */
export function confirmedBy(
  candidate: Candidate,
  later: readonly (readonly Candidate[])[],
  { iou = 0.3, share = 0.5 }: VoteOptions = {},
): boolean {
  let last = candidate.mask;
  let votes = 0;
  for (const candidates of later) {
    let best = 0;
    let match: Candidate | undefined;
    for (const other of candidates) {
      const overlap = rleIou(last, other.mask);
      if (overlap > best) [best, match] = [overlap, other];
    }
    if (!match || best < iou) continue;
    votes++;
    last = match.mask;
  }
  return votes >= share * later.length;
}
