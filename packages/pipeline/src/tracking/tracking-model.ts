import {
  type CheckpointInput,
  DEAOT_CONFIGS,
  DeAot,
  type DeAotName,
  DeAotTracker,
  LabelPropagationModel,
  LabelPropagationTracker,
  type Size,
  type Tracker,
  type TrackerOptions,
} from '@samtrack/models';
import { type WeightsOptions, withWeights } from '../io/weights.js';
import { sourceDigest } from './weights-digest.js';

/** `deaot`: the network. `propagation`: labels follow image features, with nothing trained on video. */
export const TRACKER_KINDS = ['deaot', 'propagation'] as const;
/** A name of `--tracker`. */
export type TrackerKind = (typeof TRACKER_KINDS)[number];

/** What `loadTrackingModel` needs to know. */
export interface TrackingModelOptions extends WeightsOptions {
  /** `deaot` by default. */
  tracker?: TrackerKind;
  /** Which DeAOT; label propagation takes the image encoder of any that has a MobileNetV2. */
  model: DeAotName;
  /** Checkpoint, safetensors or PyTorch's `.pth`: a path (Node), a URL, a Blob or File, or bytes. */
  weights: CheckpointInput;
  /** Whether `TrackingModel.digest` is wanted. */
  digest?: boolean;
}

/** A loaded model that trackers of single videos are made of. */
export interface TrackingModel {
  /** Keys of the checkpoint that the model does not know. */
  readonly unexpectedKeys: readonly string[];
  /** By what the weights are known again: `weightsDigest`, if it was asked for. */
  readonly digest?: string | undefined;
  /** Whether `Tracker.recall` leaves exactly the memory that tracking the frame would have left. */
  readonly recallsExactly: boolean;
  start(size: Size, options: TrackerOptions): Tracker;
  dispose(): void;
}

/** @throws CheckpointError for unsuitable weights. */
export function loadTrackingModel(options: TrackingModelOptions): Promise<TrackingModel> {
  const { tracker = 'deaot', weights, signal } = options;
  return withWeights(weights, options, async (checkpoint, source) => {
    // What has been fetched is still at hand.
    const digest = async () => (options.digest ? sourceDigest(source, weights) : undefined);
    const longEdge = trainedLongEdge(checkpoint.metadata);
    if (tracker === 'propagation') {
      const model = await LabelPropagationModel.load(checkpoint, { signal });
      return {
        unexpectedKeys: [],
        digest: await digest(),
        recallsExactly: false, // It remembers shares of labels, which masks do not tell.
        start: (size, given) =>
          new LabelPropagationTracker(model, size, { longEdge: given.longEdge, memoryMB: given.memoryMB }),
        dispose: () => model.dispose(),
      };
    }
    const model = await DeAot.load(checkpoint, DEAOT_CONFIGS[options.model], { signal });
    return {
      unexpectedKeys: model.unexpectedKeys,
      digest: await digest(),
      // In models of one layer nothing remembered depends on what was remembered before.
      recallsExactly: model.config.layers === 1,
      start: (size, given) => new DeAotTracker(model, size, { ...given, longEdge: given.longEdge ?? longEdge }),
      dispose: () => model.dispose(),
    };
  });
}

/** Longest side of the input that weights were made for, in pixels, where their file says it. */
function trainedLongEdge({ long_edge: text }: Readonly<Record<string, string>>): number | undefined {
  const edge = Number(text);
  return Number.isInteger(edge) && edge > 0 ? edge : undefined;
}
