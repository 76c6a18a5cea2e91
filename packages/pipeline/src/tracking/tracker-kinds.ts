import {
  type Checkpoint,
  CheckpointError,
  DEAOT_CONFIGS,
  DEFAULT_LONG_EDGE,
  DeAot,
  type DeAotName,
  DeAotTracker,
  GROUP_OBJECTS,
  LabelPropagationModel,
  LabelPropagationTracker,
  MEMORY_FRAMES,
  POINTER_FRAMES,
  PROPAGATION_LONG_EDGE,
  PROPAGATION_RECENT_FRAMES,
  type RefiningPredictor,
  SAM2_CONFIGS,
  Sam2Model,
  type Sam2Name,
  Sam2PromptModel,
  Sam2Tracker,
  SamPredictor,
  SamRefiningPredictor,
  type Size,
  type Tracker,
  type TrackerOptions,
} from '@samtrack/models';
import { TrackingError } from './errors.js';

/** A loaded network that trackers of single videos are made of. */
export interface LoadedTracker {
  /** Keys of the checkpoint that the model does not know. */
  readonly unexpectedKeys: readonly string[];
  /** Whether `Tracker.recall` leaves exactly the memory that tracking the frame would have left. */
  readonly recallsExactly: boolean;
  /** Frames before the next one that it reads, beside those that are remembered for longer. */
  readonly recentFrames: number;
  /** Frames after which a frame is as much work as the one before, unless more are remembered for longer. */
  readonly settlesAfter: number;
  /** Objects whose memory is allocated together. */
  readonly groupSize: number;
  /** Whether strays are better dropped (`VideoTrackerOptions.strays`). */
  readonly dropsStrays: boolean;
  /** Whether small objects are better looked at through a window (`VideoTrackerOptions.zoom`), where it can be asked to. */
  readonly zooms?: boolean;
  /** Longest side of the network's input where the caller does not say it, if another one can be asked for. */
  readonly longEdge?: number;
  start(size: Size, options: TrackerOptions): Tracker;
  /** Where the network takes prompts: what segments images with it, without weights of its own. */
  predictor?(): RefiningPredictor;
  /** Where it remembers what prompts show: a tracker for a few of them, beside the one that tracks. */
  aside?(size: Size, options: Pick<TrackerOptions, 'direction'>): Tracker;
  dispose(): void;
}

/** Options that matter before a video is known. */
interface TrackerLoadOptions {
  signal?: AbortSignal | undefined;
  /** Longest side of the network's input, for networks that are made for one. */
  longEdge?: number | undefined;
}

/** A kind of tracker. */
export interface KindOfTracker<Model extends string> {
  /** What it is, for help. */
  readonly about: string;
  /** Models that checkpoints are known of, the default first. */
  readonly models: readonly [Model, ...Model[]];
  /** Options that mean something to it, beside those that every tracker has. */
  readonly options: readonly ('model' | 'longTermGap' | 'memoryPolicy' | 'zoom' | 'quality')[];
  /** Whether the network takes prompts, so that no segmenter is needed beside it. */
  readonly takesPrompts?: boolean;
  /** Longest side of its input where neither the caller nor the weights' file says it, for help. */
  readonly longEdge: number;
  /** @throws CheckpointError for unsuitable weights */
  load(checkpoint: Checkpoint, model: Model, options: TrackerLoadOptions): Promise<LoadedTracker>;
}

/** Keeps the names of a kind's models as types. */
const kind = <Model extends string>(entry: KindOfTracker<Model>): KindOfTracker<Model> => entry;

const DEAOT_NAMES = Object.keys(DEAOT_CONFIGS) as [DeAotName, ...DeAotName[]];

/** The trackers there are. What chooses between them, and what is said of them, follows from this list. */
export const TRACKERS = {
  deaot: kind<DeAotName>({
    about: 'a network that is trained to track',
    models: DEAOT_NAMES,
    options: ['model', 'longTermGap', 'memoryPolicy', 'zoom', 'quality'],
    longEdge: DEFAULT_LONG_EDGE,
    load: async (checkpoint, name, options) => {
      const longEdge = trainedLongEdge(checkpoint.metadata);
      const model = await DeAot.load(checkpoint, DEAOT_CONFIGS[name], { signal: options.signal });
      return {
        unexpectedKeys: model.unexpectedKeys,
        // In models of one layer nothing remembered depends on what was remembered before.
        recallsExactly: model.config.layers === 1,
        recentFrames: 1,
        settlesAfter: 1,
        groupSize: GROUP_OBJECTS,
        // Weights of weights/train, whose files state their size, have seen no videos of how things move.
        dropsStrays: longEdge !== undefined,
        zooms: longEdge !== undefined,
        longEdge: longEdge ?? DEFAULT_LONG_EDGE,
        start: (size, given) => new DeAotTracker(model, size, { ...given, longEdge: given.longEdge ?? longEdge }),
        dispose: () => model.dispose(),
      };
    },
  }),
  propagation: kind<DeAotName>({
    about: 'needs no training on video: labels follow image features; any number of objects, coarse edges',
    // The image encoder of any DeAOT that has a MobileNetV2.
    models: DEAOT_NAMES,
    options: ['zoom', 'quality'],
    longEdge: PROPAGATION_LONG_EDGE,
    load: async (checkpoint, _name, options) => {
      const model = await LabelPropagationModel.load(checkpoint, { signal: options.signal });
      return {
        unexpectedKeys: [],
        // It remembers how much of each position an object covers, which masks do not tell.
        recallsExactly: false,
        recentFrames: PROPAGATION_RECENT_FRAMES,
        settlesAfter: PROPAGATION_RECENT_FRAMES,
        groupSize: GROUP_OBJECTS,
        dropsStrays: false,
        zooms: false,
        longEdge: PROPAGATION_LONG_EDGE,
        start: (size, given) => new LabelPropagationTracker(model, size, given),
        dispose: () => model.dispose(),
      };
    },
  }),
  sam2: kind<Sam2Name>({
    about: 'SAM 2.1: every object has a memory of its own; it knows when one is gone, and costs more with each',
    models: Object.keys(SAM2_CONFIGS) as [Sam2Name, ...Sam2Name[]],
    options: ['model'],
    takesPrompts: true,
    longEdge: 1024,
    load: async (checkpoint, name, { signal, longEdge }) => {
      if (longEdge !== undefined && !(longEdge >= 64 && longEdge % 32 === 0)) {
        throw new TrackingError('bad-option', `longEdge is ${longEdge}: SAM 2.1 takes a multiple of 32 from 64 on`);
      }
      const model = await Sam2Model.load(checkpoint, { signal, imageSize: longEdge });
      if (model.name !== undefined && model.name !== name) {
        model.dispose();
        const message = `this is ${model.name}, not ${name}`;
        throw new CheckpointError('wrong-architecture', message, { file: checkpoint.file });
      }
      return {
        unexpectedKeys: model.unexpectedKeys,
        // Masks do not tell what the network made of a frame.
        recallsExactly: false,
        recentFrames: MEMORY_FRAMES - 1,
        settlesAfter: POINTER_FRAMES,
        groupSize: 1,
        dropsStrays: false,
        start: (size, { direction, memoryMB }) => new Sam2Tracker(model, size, { direction, memoryMB }),
        predictor: () => new SamRefiningPredictor(new SamPredictor(new Sam2PromptModel(model.direct, false))),
        aside: (size, { direction }) => new Sam2Tracker(model.direct, size, { direction }),
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

/** What `tracker` and `--tracker` take: a kind of tracker, or one of its models. */
export type TrackerName = TrackerKind | TrackerModel;

/**
 * Which tracker and which of its models: what is left out follows from the other, or is the default.
 * @throws TrackingError `unknown-model`, or `bad-option` for two models
 */
export function trackerChoice(given: { tracker?: TrackerName; model?: TrackerModel }): {
  tracker: TrackerKind;
  model: TrackerModel;
} {
  const unknown = (what: string, name: string, names: readonly string[]) =>
    new TrackingError('unknown-model', `there is no ${what} "${name}"; there are ${names.join(', ')}`);
  const named = given.tracker;
  const asked = TRACKER_KINDS.find((name) => name === named) ?? kindOfModel(named);
  if (named !== undefined && !asked) throw unknown('tracker', named, [...TRACKER_KINDS, ...trackerModels()]);
  const own = trackerModels().find((name) => name === named);
  if (own && given.model !== undefined && given.model !== own) {
    throw new TrackingError('bad-option', `tracker ${own} and model ${given.model} are two models`);
  }
  const tracker = asked ?? kindOfModel(given.model) ?? TRACKER_KINDS[0];
  const models: readonly TrackerModel[] = TRACKERS[tracker].models;
  const model = given.model ?? own ?? models[0]!;
  if (!models.includes(model)) throw unknown('model', model, asked ? models : trackerModels());
  return { tracker, model };
}

/** Names of all models. */
export const trackerModels = (): TrackerModel[] => [
  ...new Set(TRACKER_KINDS.flatMap((name): readonly TrackerModel[] => TRACKERS[name].models)),
];

/** Longest side of the input that weights were made for, in pixels, where their file says it. */
function trainedLongEdge({ long_edge: text }: Readonly<Record<string, string>>): number | undefined {
  const edge = Number(text);
  return Number.isInteger(edge) && edge > 0 ? edge : undefined;
}
