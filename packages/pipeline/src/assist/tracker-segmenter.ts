import type { RefiningPredictor } from '@samtrack/models';
import { PromptSegmenter } from './prompt-segmenter.js';

/** The tracker's own network as the segmenter, where it takes prompts: no second set of weights. */
export class TrackerSegmenter extends PromptSegmenter {
  /**
   * @param name Of the tracker.
   * @param predictor Makes what segments images with the network that is loaded at the time.
   */
  constructor(
    readonly name: string,
    private readonly predictor: () => RefiningPredictor,
  ) {
    super();
  }

  protected async load(): Promise<RefiningPredictor> {
    return this.predictor();
  }
}
