import type { RefiningPredictor } from '@samtrack/models';
import { loadSmallPredictor, type SmallSegmenterWeights } from './load-predictor.js';
import { PromptSegmenter, type SegmenterOptions } from './prompt-segmenter.js';

/** The segmenter that comes with SAMTrack, as the segmenter of sessions and modes. */
export class SmallSegmenter extends PromptSegmenter {
  readonly name = 'samtrack-small';

  constructor(
    private readonly weights: SmallSegmenterWeights,
    private readonly options: SegmenterOptions = {},
  ) {
    super();
  }

  protected load(signal: AbortSignal | undefined): Promise<RefiningPredictor> {
    return loadSmallPredictor(this.weights, { signal, ...this.options });
  }
}
