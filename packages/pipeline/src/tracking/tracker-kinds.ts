import {
  type Checkpoint,
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

/** A loaded network that trackers of single videos are made of. */
export interface LoadedTracker {
  /** Keys of the checkpoint that the model does not know. */
  readonly unexpectedKeys: readonly string[];
  /** Whether `Tracker.recall` leaves exactly the memory that tracking the frame would have left. */
  readonly recallsExactly: boolean;
  start(size: Size, options: TrackerOptions): Tracker;
  dispose(): void;
}

/** A kind of tracker. */
export interface KindOfTracker<Model extends string> {
  /** What it is, for help. */
  readonly about: string;
  /** Models that checkpoints are known of, the default first. */
  readonly models: readonly [Model, ...Model[]];
  /** Options that mean something to it, beside those that every tracker has. */
  readonly options: readonly ('model' | 'longTermGap' | 'memoryPolicy')[];
  /** Longest side of its input where neither the caller nor the weights' file says it, for help. */
  readonly longEdge: number;
  /** @throws CheckpointError for unsuitable weights */
  load(checkpoint: Checkpoint, model: Model, options: { signal?: AbortSignal }): Promise<LoadedTracker>;
}

/** Keeps the names of a kind's models as types. */
const kind = <Model extends string>(entry: KindOfTracker<Model>): KindOfTracker<Model> => entry;

const DEAOT_NAMES = Object.keys(DEAOT_CONFIGS) as [DeAotName, ...DeAotName[]];

/** The trackers there are. What chooses between them, and what is said of them, follows from this list. */
export const TRACKERS = {
  deaot: kind<DeAotName>({
    about: 'a network that is trained to track',
    models: DEAOT_NAMES,
    options: ['model', 'longTermGap', 'memoryPolicy'],
    longEdge: 1040,
    load: async (checkpoint, name, options) => {
      const longEdge = trainedLongEdge(checkpoint.metadata);
      const model = await DeAot.load(checkpoint, DEAOT_CONFIGS[name], options);
      return {
        unexpectedKeys: model.unexpectedKeys,
        // In models of one layer nothing remembered depends on what was remembered before.
        recallsExactly: model.config.layers === 1,
        start: (size, given) => new DeAotTracker(model, size, { ...given, longEdge: given.longEdge ?? longEdge }),
        dispose: () => model.dispose(),
      };
    },
  }),
  propagation: kind<DeAotName>({
    about: 'needs no training on video: labels follow image features; any number of objects, coarse edges',
    // The image encoder of any DeAOT that has a MobileNetV2.
    models: DEAOT_NAMES,
    options: [],
    longEdge: 849,
    load: async (checkpoint, _name, options) => {
      const model = await LabelPropagationModel.load(checkpoint, options);
      return {
        unexpectedKeys: [],
        // It remembers how much of each position an object covers, which masks do not tell.
        recallsExactly: false,
        start: (size, given) => new LabelPropagationTracker(model, size, given),
        dispose: () => model.dispose(),
      };
    },
  }),
};

/** `deaot`: the network. `propagation`: labels follow image features, with nothing trained on video. */
export type TrackerKind = keyof typeof TRACKERS;

/** Name of a model that some kind of tracker has. */
export type TrackerModel = (typeof TRACKERS)[TrackerKind]['models'][number];

/** Names of the kinds, the default first. */
export const TRACKER_KINDS = Object.keys(TRACKERS) as [TrackerKind, ...TrackerKind[]];

/** The kind that a model is of: the first one that has it. */
export const kindOfModel = (model: string | undefined): TrackerKind | undefined =>
  TRACKER_KINDS.find((name) => (TRACKERS[name].models as readonly (string | undefined)[]).includes(model));

/** Names of all models. */
export const trackerModels = (): TrackerModel[] => [...new Set(TRACKER_KINDS.flatMap((name) => TRACKERS[name].models))];

/** Longest side of the input that weights were made for, in pixels, where their file says it. */
function trainedLongEdge({ long_edge: text }: Readonly<Record<string, string>>): number | undefined {
  const edge = Number(text);
  return Number.isInteger(edge) && edge > 0 ? edge : undefined;
}
