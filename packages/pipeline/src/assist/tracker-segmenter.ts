import { getEngine } from '@samtrack/kernels';
import type { RefiningPredictor, Size, Tracker, TrackingDirection } from '@samtrack/models';
import { decodeRle, encodeRle, type Frame, type Rle } from '../io/index.js';
import { PromptSegmenter } from './prompt-segmenter.js';
import type { KnownMask, Segmenter, SegmentPrompt } from './types.js';

/** What a tracker lends of its network. */
interface PromptedTracker {
  /** What segments images with the network that is loaded at the time. */
  predictor(): RefiningPredictor | undefined;
  /** A tracker for a few prompts beside the one that tracks. */
  aside(size: Size, direction: TrackingDirection): Tracker | undefined;
}

/** The tracker's own network as the segmenter, where it takes prompts: no second set of weights. */
export class TrackerSegmenter extends PromptSegmenter implements Segmenter {
  /** @param name Of the tracker. */
  constructor(
    readonly name: string,
    private readonly tracker: PromptedTracker,
  ) {
    super();
  }

  protected async load(): Promise<RefiningPredictor> {
    return this.tracker.predictor()!;
  }

  async predictKnown(
    frame: Frame,
    { points, labels, box }: Pick<SegmentPrompt, 'points' | 'labels' | 'box'>,
    known: readonly KnownMask[],
    { direction, signal }: { direction: TrackingDirection; signal?: AbortSignal | undefined },
  ): Promise<Rle> {
    const { width, height } = frame;
    const tracker = this.tracker.aside({ width, height }, direction)!;
    try {
      for (const { frame: seen, mask, given } of known) {
        signal?.throwIfAborted();
        if (given) await tracker.addReference(seen.index, seen.rgba, decodeRle(mask), 1, new Set([1]));
        else await tracker.recall(seen.index, seen.rgba, decodeRle(mask));
      }
      signal?.throwIfAborted();
      const found = await tracker.prompt!(frame.index, frame.rgba, 1, {
        ...(points ? { points, labels } : {}),
        ...(box ? { box } : {}),
      });
      return encodeRle(Uint8Array.from(found), width, height);
    } finally {
      tracker.dispose();
      getEngine().trim();
    }
  }
}
