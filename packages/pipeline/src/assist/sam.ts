import type { CheckpointInput, RefiningPredictor } from '@samtrack/models';
import { loadSamPredictor } from './load-predictor.js';
import { PromptSegmenter, type SegmenterOptions } from './prompt-segmenter.js';

/** Segment Anything as the segmenter of sessions and modes. */
export class SamSegmenter extends PromptSegmenter {
  readonly name = 'segment-anything';

  /** @param weights A `.pth` or safetensors checkpoint of SAM or MobileSAM: path (Node), URL, file or bytes. */
  constructor(
    private readonly weights: CheckpointInput,
    private readonly options: SegmenterOptions = {},
  ) {
    super();
  }

  protected load(signal: AbortSignal | undefined): Promise<RefiningPredictor> {
    return loadSamPredictor(this.weights, { signal, ...this.options });
  }
}
