/** Networks with Segment Anything's prompts, read from their checkpoints. */
import {
  type CheckpointInput,
  detectArchitecture,
  type RefiningPredictor,
  Sam2Model,
  Sam2PromptModel,
  SamModel,
  SamPredictor,
  SamRefiningPredictor,
  SamSmallModel,
  SmallPredictor,
} from '@samtrack/models';
import { type WeightsOptions, withWeights } from '../io/weights.js';

/** The weights of the segmenter that comes with SAMTrack: path (Node), URL, file or bytes each. */
export interface SmallSegmenterWeights {
  /** `samtrack-small.safetensors`. */
  segmenter: CheckpointInput;
  /** `deaot-t.safetensors` of the same version, whose image encoder it looks through. */
  tracker: CheckpointInput;
}

/** Reads a `.pth` or safetensors checkpoint of SAM, MobileSAM or SAM 2.1. @throws CheckpointError */
export const loadSamPredictor = (
  weights: CheckpointInput,
  { float16, ...options }: WeightsOptions & { float16?: boolean },
): Promise<RefiningPredictor> =>
  withWeights(weights, options, async (checkpoint) => {
    if (detectArchitecture(checkpoint)?.family === 'sam2') {
      const model = new Sam2PromptModel(await Sam2Model.load(checkpoint, { signal: options.signal }));
      return new SamRefiningPredictor(new SamPredictor(model));
    }
    const model = await SamModel.load(checkpoint, { float16, signal: options.signal });
    return new SamRefiningPredictor(new SamPredictor(model));
  });

/** Reads the segmenter that comes with SAMTrack; progress is that of its own file. @throws CheckpointError */
export const loadSmallPredictor = (
  { segmenter, tracker }: SmallSegmenterWeights,
  options: WeightsOptions,
): Promise<RefiningPredictor> =>
  withWeights(tracker, { ...options, onProgress: undefined }, (shared) =>
    withWeights(segmenter, options, async (checkpoint) => {
      return new SmallPredictor(await SamSmallModel.load(checkpoint, shared, { signal: options.signal }));
    }),
  );
