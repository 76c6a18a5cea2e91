import type { CheckpointInput } from '@samtrack/models';
import { type WeightsOptions, withWeights } from '../io/weights.js';
import {
  type KindOfTracker,
  type LoadedTracker,
  TRACKERS,
  type TrackerKind,
  type TrackerModel,
} from './tracker-kinds.js';
import { sourceDigest } from './weights-digest.js';

/** What `loadTrackingModel` needs to know. */
export interface TrackingModelOptions extends WeightsOptions {
  /** `deaot` by default. */
  tracker?: TrackerKind | undefined;
  /** Which model of that kind. */
  model: TrackerModel;
  /** Checkpoint, safetensors or PyTorch's `.pth`: a path (Node), a URL, a Blob or File, or bytes. */
  weights: CheckpointInput;
  /** Longest side of the network's input, in pixels. */
  longEdge?: number | undefined;
  /** Whether `TrackingModel.digest` is wanted. */
  digest?: boolean | undefined;
}

/** A loaded model that trackers of single videos are made of. */
export interface TrackingModel extends LoadedTracker {
  /** By what the weights are known again: `weightsDigest`, if it was asked for. */
  readonly digest?: string | undefined;
}

/** @throws CheckpointError for unsuitable weights. */
export function loadTrackingModel(options: TrackingModelOptions): Promise<TrackingModel> {
  const { tracker = 'deaot', model, weights, signal, longEdge } = options;
  return withWeights(weights, options, async (checkpoint, source) => {
    const kind: KindOfTracker<string> = TRACKERS[tracker];
    const loaded = await kind.load(checkpoint, model, { signal, longEdge });
    return {
      ...loaded,
      // What has been fetched is still at hand.
      digest: options.digest ? await sourceDigest(source, weights) : undefined,
    };
  });
}
