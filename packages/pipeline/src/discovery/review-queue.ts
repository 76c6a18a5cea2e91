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

/**
 * Candidates for new objects, one entry each however often they are proposed: a mask that overlaps a waiting one replaces it, and one that
 * overlaps a dismissed one is not shown again.
 */
export class ReviewQueue {
  private readonly entries = new Map<number, QueuedProposal>();
  private readonly dismissed: Proposal[] = [];
  private nextKey = 1;

  /** @param iou overlap from which two masks are the same candidate */
  constructor(private readonly iou = 0.3) {}

  /** Those that wait, in the order of arrival. */
  get waiting(): readonly QueuedProposal[] {
    return [...this.entries.values()];
  }

  /** @returns the entries that are new */
  add(frame: number, proposals: readonly Proposal[]): QueuedProposal[] {
    const added: QueuedProposal[] = [];
    for (const proposal of proposals) {
      const isSame = (other: Proposal) => rleIou(other.mask, proposal.mask) >= this.iou;
      const dismissed = this.dismissed.findIndex(isSame);
      if (dismissed >= 0) {
        // Its mask moves on with it, or it would come back once it has moved away from the old one.
        this.dismissed[dismissed] = proposal;
        continue;
      }
      const before = this.waiting.find(isSame);
      const entry = before
        ? { ...before, ...proposal, frame, seen: before.seen + 1 }
        : { ...proposal, key: this.nextKey++, frame, firstFrame: frame, seen: 1 };
      this.entries.set(entry.key, entry);
      if (!before) added.push(entry);
    }
    return added;
  }

  /** Takes an entry out, to make it an object; undefined if there is no such entry. */
  take(key: number): QueuedProposal | undefined {
    const entry = this.entries.get(key);
    this.entries.delete(key);
    return entry;
  }

  /** Takes an entry out for good. @returns whether there was one */
  dismiss(key: number): boolean {
    const entry = this.take(key);
    if (entry) this.dismissed.push(entry);
    return entry !== undefined;
  }
}
