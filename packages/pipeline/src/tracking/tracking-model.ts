import {
  DEAOT_CONFIGS,
  DeAot,
  type DeAotName,
  DeAotTracker,
  LabelPropagationModel,
  LabelPropagationTracker,
  openCheckpoint,
  type Size,
  type Tracker,
  type TrackerOptions,
} from '@samtrack/models';

/** `deaot`: the network. `propagation`: labels follow image features, with nothing trained on video. */
export const TRACKER_KINDS = ['deaot', 'propagation'] as const;
export type TrackerKind = (typeof TRACKER_KINDS)[number];

/** What `loadTrackingModel` needs to know. */
export interface TrackingModelOptions {
  /** `deaot` by default. */
  tracker?: TrackerKind;
  /** Which DeAOT; label propagation takes the image encoder of any that has a MobileNetV2. */
  model: DeAotName;
  /** Checkpoint file or URL: safetensors, or PyTorch's `.pth`. */
  weights: string;
  signal?: AbortSignal;
  /** Called while weights are read, with the share that is done. */
  onProgress?: (fraction: number) => void;
}

/** A loaded model that trackers of single videos are made of. */
export interface TrackingModel {
  /** Keys of the checkpoint that the model does not know. */
  readonly unexpectedKeys: readonly string[];
  /** Whether `Tracker.recall` leaves exactly the memory that tracking the frame would have left. */
  readonly recallsExactly: boolean;
  start(size: Size, options: TrackerOptions): Tracker;
  dispose(): void;
}

/** @throws CheckpointError for unsuitable weights. */
export async function loadTrackingModel(options: TrackingModelOptions): Promise<TrackingModel> {
  const { tracker = 'deaot', weights, signal, onProgress } = options;
  const checkpoint = await openCheckpoint(weights, { signal });
  try {
    if (tracker === 'propagation') {
      const model = await LabelPropagationModel.load(checkpoint, { signal, onProgress });
      return {
        unexpectedKeys: [],
        recallsExactly: false, // It remembers shares of labels, which masks do not tell.
        start: (size, { longEdge, memoryMB }) => new LabelPropagationTracker(model, size, { longEdge, memoryMB }),
        dispose: () => model.dispose(),
      };
    }
    const model = await DeAot.load(checkpoint, DEAOT_CONFIGS[options.model], { signal, onProgress });
    return {
      unexpectedKeys: model.unexpectedKeys,
      // In models of one layer nothing remembered depends on what was remembered before.
      recallsExactly: model.config.layers === 1,
      start: (size, trackerOptions) => new DeAotTracker(model, size, trackerOptions),
      dispose: () => model.dispose(),
    };
  } finally {
    await checkpoint.close();
  }
}
