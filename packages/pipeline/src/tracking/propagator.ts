import { OutOfBudgetError } from '@samtrack/models';
import type { Frame, LabelMap } from '../io/index.js';
import { emptyLabelMap, labelIds, maxLabelId } from '../io/label-map.js';
import type { FoundMasks, FrameTracker } from './frame-tracker.js';
import type { TrackerIds } from './tracker-ids.js';

/** What became of the masks that were found in a frame. */
export interface RevisedMasks {
  labels: LabelMap;
  /** Whether the frame becomes a reference: objects came in, or were corrected. */
  reference: boolean;
  /** Objects whose masks were given; those that are others than found by default. */
  given?: Iterable<number>;
  /** The tracker has no room for the reference: the frame is remembered as it was found. Where this is missing, the error is thrown. */
  refused?: (error: OutOfBudgetError) => void;
}

/** Changes the masks that were found in a frame before they are remembered. Those of `found` may be changed in place. */
export type Revise = (found: FoundMasks) => Promise<RevisedMasks>;

/**
 * Steps through the frames of a video with a tracker, in the direction of travel: frames become references, are recalled, or are
 * propagated to, revised and memorised.
 */
export class Propagator {
  #started: boolean;
  #highestId = 0;
  /** The last frames whose masks are known from earlier, as long as nothing asks for them. */
  #held: { frame: Frame; labels: LabelMap }[] = [];

  /** @param ids Translates the ids of label maps; without it they are the tracker's own. */
  constructor(
    private readonly tracker: FrameTracker,
    private readonly ids?: TrackerIds,
  ) {
    this.#started = (ids?.objects.length ?? 0) > 0;
  }

  /** Whether there is something to track. */
  get started(): boolean {
    return this.#started;
  }

  /** Whether a frame would be remembered for longer than the next few. */
  memorises(index: number): boolean {
    return this.#started && this.tracker.memorises(index);
  }

  /** Frames before the next one that the tracker reads, beside those that it remembers for longer. */
  get recentFrames(): number {
    return this.tracker.recentFrames;
  }

  /**
   * Makes a frame with known masks a reference.
   * @param given Objects whose masks were given, where others' were found.
   * @throws TrackerError, OutOfBudgetError
   */
  async reference(frame: Frame, labels: LabelMap, given?: Iterable<number>): Promise<void> {
    this.ids?.add(labels);
    const own = this.ids?.toTracker(labels) ?? labels;
    const highest = maxLabelId(own);
    // Everything was taken away: there is nothing to refer to, but the tracker must not see it again.
    if (highest === 0 && this.#started) return this.recall(frame, labels);
    await this.#recallHeld(this.tracker.recentFrames - 1);
    await this.tracker.addReference(frame, own, given && (this.ids?.trackerIds(given) ?? new Set(given)));
    this.#started = true;
    this.#highestId = Math.max(this.#highestId, highest);
  }

  /** Remembers a frame whose masks are known from earlier. */
  async recall(frame: Frame, labels: LabelMap): Promise<void> {
    if (!this.#started) return;
    await this.#recallHeld(this.tracker.recentFrames - 1);
    await this.tracker.recall(frame, this.ids?.toTracker(labels) ?? labels);
  }

  /** The tracker was restored: it remembers what an earlier run left. */
  resumed(): void {
    this.#started = true;
  }

  /** Takes in a frame that an earlier run has finished; its masks brought new objects if there are higher ids than before. */
  async restore(frame: Frame, labels: LabelMap): Promise<void> {
    const newIds = labelIds(labels).filter((id) => id > this.#highestId);
    if (newIds.length > 0) return this.reference(frame, labels, this.#started ? newIds : undefined);
    if (!this.#started) return;
    if (this.memorises(frame.index)) return this.recall(frame, labels);
    // Of those that are soon forgotten, the last ones alone matter.
    this.#held.push({ frame, labels });
    if (this.#held.length > this.tracker.recentFrames) this.#held.shift();
  }

  /** Recalls the last of the frames that were held back. */
  async #recallHeld(count: number): Promise<void> {
    const held = this.#held.splice(0);
    for (const { frame, labels } of held.slice(Math.max(0, held.length - count))) {
      await this.tracker.recall(frame, this.ids?.toTracker(labels) ?? labels);
    }
  }

  /** Finds the masks of a frame and remembers it. @returns the masks, which belong to the caller */
  async propagate(frame: Frame, revise?: Revise): Promise<LabelMap> {
    await this.#recallHeld(this.tracker.recentFrames);
    const found = await this.#find(frame, revise !== undefined);
    if (!revise) return found.labels;
    const asFound = found.labels;
    const { labels, reference, given, refused } = await revise(found);
    if (reference) {
      try {
        await this.reference(frame, labels, given);
        return labels;
      } catch (error) {
        if (!(error instanceof OutOfBudgetError && refused && this.#started)) throw error;
        refused(error);
      }
    }
    const remembered = reference ? asFound : labels;
    if (this.#started) await this.tracker.remember(frame, this.ids?.toTracker(remembered) ?? remembered);
    return remembered;
  }

  /** @param revised Whether the masks may still change: nothing is remembered yet */
  async #find(frame: Frame, revised: boolean): Promise<FoundMasks> {
    if (!this.#started) return { labels: emptyLabelMap(frame.width, frame.height), certainty: new Map() };
    if (!revised) {
      const labels = await this.tracker.step(frame);
      this.ids?.fromTracker(labels);
      return { labels, certainty: new Map() };
    }
    const { labels, certainty } = await this.tracker.predict(frame);
    this.ids?.fromTracker(labels);
    return { labels, certainty: this.ids?.certainty(certainty) ?? certainty };
  }
}
