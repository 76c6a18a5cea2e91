import { OutOfBudgetError } from '@samtrack/models';
import type { Frame, LabelMap } from '../io/index.js';
import { emptyLabelMap, maxLabelId } from '../io/label-map.js';
import type { FoundMasks, FrameTracker } from './frame-tracker.js';
import type { TrackerIds } from './tracker-ids.js';

/** What became of the masks that were found in a frame. */
export interface RevisedMasks {
  labels: LabelMap;
  /** Whether the frame becomes a reference: objects came in, or were corrected. */
  reference: boolean;
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
  /** The last frame whose masks are known from earlier, as long as nothing asks for it. */
  #held: { frame: Frame; labels: LabelMap } | undefined;

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

  /** Makes a frame with known masks a reference. @throws TrackerError, OutOfBudgetError */
  async reference(frame: Frame, labels: LabelMap): Promise<void> {
    this.ids?.add(labels);
    const own = this.ids?.toTracker(labels) ?? labels;
    const highest = maxLabelId(own);
    // Everything was taken away: there is nothing to refer to, but the tracker must not see it again.
    if (highest === 0 && this.#started) return this.recall(frame, labels);
    await this.tracker.addReference(frame, own);
    this.#started = true;
    this.#highestId = Math.max(this.#highestId, highest);
    this.#held = undefined;
  }

  /** Remembers a frame whose masks are known from earlier. */
  async recall(frame: Frame, labels: LabelMap): Promise<void> {
    if (!this.#started) return;
    this.#held = undefined;
    await this.tracker.recall(frame, this.ids?.toTracker(labels) ?? labels);
  }

  /** Takes in a frame that an earlier run has finished; its masks brought new objects if there are higher ids than before. */
  async restore(frame: Frame, labels: LabelMap): Promise<void> {
    if (maxLabelId(labels) > this.#highestId) return this.reference(frame, labels);
    if (!this.#started) return;
    if (this.memorises(frame.index)) return this.recall(frame, labels);
    // Of those that are soon forgotten, the last one alone matters.
    this.#held = { frame, labels };
  }

  /** Finds the masks of a frame and remembers it. @returns the masks, which belong to the caller */
  async propagate(frame: Frame, revise?: Revise): Promise<LabelMap> {
    if (this.#held) await this.recall(this.#held.frame, this.#held.labels);
    const found = await this.#find(frame, revise !== undefined);
    if (!revise) return found.labels;
    const asFound = found.labels;
    const { labels, reference, refused } = await revise(found);
    if (reference) {
      try {
        await this.reference(frame, labels);
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
