/// <reference lib="esnext.disposable" preserve="true" />
import type { CheckpointInput, LoadProgress, MemoryPolicy } from '@samtrack/models';
import { defaultSegmenter, downloadedWeights } from '#platform';
import {
  DETECTOR_NAMES,
  type Detector,
  type DetectorName,
  GroundingDinoDetector,
  SamSegmenter,
  SEGMENTER_NAMES,
  type Segmenter,
  type SegmenterName,
  SmallSegmenter,
  type SmallSegmenterWeights,
  TrackerSegmenter,
} from '../assist/index.js';
import type { EngineOptions } from '../engine/index.js';
import {
  type FrameSource,
  type LiveFrame,
  liveSource,
  openProjectStorage,
  openSource,
  type ProjectStorage,
  type SourceInput,
} from '../io/index.js';
import { checkOptions, either, FRAME_RATE, hasMethod, type KnownOptions, POSITIVE, TEXT } from '../io/known-options.js';
import { weightsName } from '../io/weights.js';
import { trackerWeights } from '../tracking/default-weights.js';
import {
  type TrackerModel,
  type TrackerName,
  TrackingError,
  VideoTracker,
  type VideoTrackerOptions,
} from '../tracking/index.js';
import { kindOfModel, TRACKERS, trackerChoice } from '../tracking/tracker-kinds.js';
import { LOADING_OPTIONS } from '../tracking/video-tracker.js';
import { badOption, SessionError } from './errors.js';
import { Session } from './session.js';
import { SharedTracker } from './tracker.js';

/** Options of `SamTrack.load`. */
export interface SamTrackOptions extends EngineOptions {
  /** What tracks: a kind of tracker, or one of its models; `deaot` by default. */
  tracker?: TrackerName | undefined;
  /** Which model of it; its first one by default, `deaot-t`. */
  model?: TrackerModel | undefined;
  /**
   * The tracker's checkpoint: a path (Node), a URL, a Blob or File, or bytes, which must stay as they are. In Node the weights that
   * come with samtrack by default, for `deaot-t`.
   */
  weights?: CheckpointInput | undefined;
  /**
   * Turns points, boxes and strokes into masks; needed for those prompts. By default the tracker's own network where it takes prompts (SAM 2.1), else
   * the one that comes with samtrack, in Node; its files, in a page. Else a model whose checkpoint was downloaded (Node), a checkpoint of SAM (path, URL, Blob or bytes), or any other one.
   * Weights are read when they are first needed; it is disposed with the rest.
   */
  segmenter?: SegmenterName | CheckpointInput | SmallSegmenterWeights | Segmenter | undefined;
  /** Finds objects by text; needed for that prompt. Likewise, with Grounding DINO. */
  detector?: DetectorName | CheckpointInput | Detector | undefined;
  /** Longest side of the tracker's input, in pixels; by default what the weights were made for, where their file says so, else 1040. */
  longEdge?: number | undefined;
  /** Frames between predicted frames that are remembered; the model's own by default. */
  longTermGap?: number | undefined;
  /** What is forgotten when the memory is full; `sparse` by default. */
  memoryPolicy?: MemoryPolicy | undefined;
  /** What becomes of parts of an object that appear far from it: see `VideoTrackerOptions.strays`. */
  strays?: VideoTrackerOptions['strays'] | undefined;
  /**
   * Whether small objects are looked at through a window around them: see `VideoTrackerOptions.zoom`. Default `off`: masks of prompts are less
   * exact than given ones, and a window enlarges what is wrong with them.
   */
  zoom?: VideoTrackerOptions['zoom'] | undefined;
  /** How much is spent on a frame: see `VideoTrackerOptions.quality`. */
  quality?: VideoTrackerOptions['quality'] | undefined;
  signal?: AbortSignal | undefined;
  /** Called as bytes of the tracker's weights arrive, from the network or the disk. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Whether browsers keep weights from URLs in the origin's Cache Storage, for the next visit; true by default. */
  cache?: boolean | undefined;
  /** Called when the GPU was lost and has been opened again. */
  onDeviceLost?: ((message: string) => void) | undefined;
}

/** Options of `SamTrack.open`. */
export interface OpenOptions {
  /**
   * Where the session is kept, and taken up again: a path (Node) or a name in the origin's private file system (browser), or any
   * storage. In memory if left out.
   */
  project?: string | ProjectStorage | undefined;
  /** Most memory for everything the session allocates, in MB (10^6 bytes): see `SessionMemory`. Without it, 1024 for remembered frames. */
  memoryMB?: number | undefined;
  /** Frames per second of an image folder; default 24. */
  fps?: number | undefined;
}

const LOAD_OPTIONS: KnownOptions<SamTrackOptions> = { ...LOADING_OPTIONS, segmenter: true, detector: true };
const OPEN_OPTIONS: KnownOptions<OpenOptions> = {
  project: either(TEXT, hasMethod('a `ProjectStorage`', 'lock')),
  memoryMB: POSITIVE,
  fps: FRAME_RATE,
};

/** Whether weights were given, and not what works with them. */
const isWeights = (given: CheckpointInput | Segmenter | Detector | undefined): given is CheckpointInput =>
  given !== undefined && !(typeof given === 'object' && 'name' in given && 'dispose' in given);

/**
 * The checkpoint that a name, path or URL means.
 * @throws TrackingError `unknown-model` for a bare name that is none of `names`, `no-weights` for a model that was not downloaded
 */
async function checkpointOf(given: CheckpointInput, what: string, names: readonly string[]): Promise<CheckpointInput> {
  if (typeof given !== 'string') return given;
  if (!names.includes(given)) {
    // A file's name has an extension, or a folder before it.
    if (/[./\\:]/.test(given)) return given;
    const known = names.join(', ');
    throw new TrackingError(
      'unknown-model',
      `there is no ${what} "${given}"; there are ${known}, or give a file or URL`,
    );
  }
  const file = await downloadedWeights(given);
  if (file !== undefined) return file;
  throw new TrackingError(
    'no-weights',
    `there is no checkpoint of ${given} here: run \`samtrack weights pull ${given}\`, or give a file or URL`,
  );
}

const isSmall = (given: object): given is SmallSegmenterWeights => 'segmenter' in given && 'tracker' in given;

/** @throws TrackingError as `checkpointOf` */
async function segmenterOf(given: SamTrackOptions['segmenter'], cache?: boolean): Promise<Segmenter | undefined> {
  if (given === undefined || given === SEGMENTER_NAMES[0]) {
    const own = await defaultSegmenter();
    if (own) return new SmallSegmenter(own);
    if (given === undefined) return undefined;
    throw new TrackingError(
      'no-weights',
      `no weights of ${given} come with samtrack here: give \`segmenter\` its files`,
    );
  }
  if (typeof given === 'object' && isSmall(given)) return new SmallSegmenter(given, { cache });
  return isWeights(given)
    ? new SamSegmenter(await checkpointOf(given, 'segmenter', SEGMENTER_NAMES), { cache })
    : given;
}

const isSource = (input: unknown): input is FrameSource =>
  typeof input === 'object' && input !== null && 'frames' in input && 'kind' in input;

/** Whether a tracker's network is a segmenter, too. */
const takesPrompts = (model: TrackerModel): boolean => {
  const kind = kindOfModel(model);
  return kind !== undefined && TRACKERS[kind].takesPrompts === true;
};

/**
 * The models, loaded once, for any number of sessions; these take turns with the tracker.
 *
 *     const st = await SamTrack.load({ model: 'deaot-t', detector: 'grounding-dino-t' });
 *     const session = await st.open('clip.mp4', { project: 'clip.samtrack' });
 */
export class SamTrack {
  readonly #sessions = new Set<Session>();
  #disposed = false;

  private constructor(
    private readonly assistants: { segmenter?: Segmenter; detector?: Detector },
    /** The tracker; what it remembers is that of the session that used it last. */
    readonly tracker: VideoTracker,
    private readonly shared: SharedTracker,
    private readonly identity: Readonly<Record<string, string | number | null>>,
  ) {}

  /**
   * Opens an engine and loads the tracker.
   * @throws TrackingError for a name that is not known, or without weights; as `openEngine`; CheckpointError for
   *   unsuitable weights
   */
  static async load(options: SamTrackOptions = {}): Promise<SamTrack> {
    checkOptions('SamTrack.load', options, LOAD_OPTIONS, (message) => new TrackingError('bad-option', message));
    const { segmenter, detector, cache, ...rest } = options;
    const { longEdge, longTermGap, memoryPolicy, strays, zoom, quality } = options;
    const choice = trackerChoice(options);
    const { model } = choice;
    const weights = await trackerWeights(model, options.weights);
    const assistants: { segmenter?: Segmenter; detector?: Detector } = {
      segmenter: takesPrompts(model) && segmenter === undefined ? undefined : await segmenterOf(segmenter, cache),
      detector: isWeights(detector)
        ? new GroundingDinoDetector(await checkpointOf(detector, 'detector', DETECTOR_NAMES), { cache })
        : detector,
    };
    const tracking = { ...rest, ...choice, weights, cache, zoom: zoom ?? 'off' };
    const tracker = await VideoTracker.load({ ...tracking, digest: true, uncertainty: true });
    if (takesPrompts(model)) {
      assistants.segmenter ??= new TrackerSegmenter(model, tracker);
    }
    const identity = {
      // Where the model does not say it.
      ...(kindOfModel(model) === choice.tracker ? {} : { tracker: choice.tracker }),
      model,
      weights: weightsName(weights),
      weightsDigest: tracker.weightsDigest ?? null,
      longEdge: longEdge ?? null,
      longTermGap: longTermGap ?? null,
      memoryPolicy: memoryPolicy ?? null,
      ...(strays && { strays }),
      // `off` is the default.
      ...(zoom === 'auto' && { zoom }),
      ...(quality && { quality }),
    };
    return new SamTrack(assistants, tracker, new SharedTracker(tracker), identity);
  }

  /**
   * Begins a session over a source, or goes on with the one that is kept in `project`.
   * @param input What `openSource` takes, an open source, or pictures as they come (a camera, a stream).
   * @throws SourceError, FrameError; as `Session.open`
   * @throws SessionError, SourceError, OutputError
   */
  async open(input: SourceInput | FrameSource | AsyncIterable<LiveFrame>, options: OpenOptions = {}): Promise<Session> {
    if (this.#disposed) throw new SessionError('closed', 'the models were disposed');
    checkOptions('SamTrack.open', options, OPEN_OPTIONS, badOption);
    const { project, memoryMB, fps } = options;
    const own = !isSource(input);
    const source = await open(input, fps);
    const { segmenter, detector } = this.assistants;
    const storage = typeof project === 'string' ? openProjectStorage(project) : project;
    try {
      const session = await Session.open({
        source,
        shared: this.shared,
        identity: this.identity,
        segmenter,
        detector,
        storage,
        memoryMB,
        ownsSource: own,
      });
      this.#sessions.add(session);
      return session;
    } catch (error) {
      if (own) await source.close();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Ends the sessions, closes what was opened for them, and frees the engine. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    try {
      for (const session of this.#sessions) await session.close();
    } finally {
      this.assistants.segmenter?.dispose();
      this.assistants.detector?.dispose();
      this.tracker.dispose();
    }
  }
}

async function open(
  input: SourceInput | FrameSource | AsyncIterable<LiveFrame>,
  fps: number | undefined,
): Promise<FrameSource> {
  if (isSource(input)) return input;
  if (typeof input === 'object' && input !== null && Symbol.asyncIterator in input) return liveSource(input, { fps });
  return openSource(input, { fps });
}
