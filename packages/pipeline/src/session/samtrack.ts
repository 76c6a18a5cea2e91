import type { InitializeOptions } from '@samtrack/kernels';
import type { DeAotName, MemoryPolicy } from '@samtrack/models';
import { defaultWeights, downloadedWeights } from '#platform';
import { type Detector, GroundingDinoDetector, SamSegmenter, type Segmenter } from '../assist/index.js';
import {
  type FrameSource,
  type LiveFrame,
  liveSource,
  openProjectStorage,
  openSource,
  type ProjectStorage,
  type SourceInput,
} from '../io/index.js';
import { VideoTracker } from '../tracking/index.js';
import { weightsDigest } from '../tracking/weights-digest.js';
import { SessionError } from './errors.js';
import { Session } from './session.js';
import { SharedTracker } from './tracker.js';

/** Options of `SamTrack.load`. */
export interface SamTrackOptions {
  /** Default `deaot-t`. */
  tracker?: DeAotName;
  /** The tracker's checkpoint: path or URL. Default: the weights that come with samtrack, in Node, for `deaot-t`. */
  weights?: string;
  /**
   * Turns points, boxes and strokes into masks; needed for those prompts. A model whose checkpoint was downloaded (Node), or a
   * checkpoint of SAM (path or URL), which is read when it is first needed; or any other one. It is disposed with the rest.
   */
  segmenter?: SegmenterName | (string & {}) | Segmenter;
  /** Finds objects by text; needed for that prompt. Likewise, with Grounding DINO. */
  detector?: DetectorName | (string & {}) | Detector;
  /** Longest side of the tracker's input, in pixels; 1040, for the weights that come with samtrack 641. */
  longEdge?: number;
  /** Frames between predicted frames that are remembered; the model's own by default. */
  longTermGap?: number;
  /** What is forgotten when the memory is full; `sparse` by default. */
  memoryPolicy?: MemoryPolicy;
  /** Which GPU to use, where there are several. */
  gpu?: Omit<InitializeOptions, 'handle'>;
  signal?: AbortSignal;
  /** Called while weights are read, with the share that is done, 0..1. */
  onProgress?: (fraction: number) => void;
  /** Called when the GPU was lost and has been opened again. */
  onDeviceLost?: (message: string) => void;
}

/** Options of `SamTrack.open`. */
export interface OpenOptions {
  /**
   * Where the session is kept, and taken up again: a path (Node) or a name in the origin's private file system (browser), or any
   * storage. In memory if left out.
   */
  project?: string | ProjectStorage;
  /** Most memory for everything the session allocates, in MB (10^6 bytes): see `SessionMemory`. Without it, 1024 for remembered frames. */
  memoryMB?: number;
  /** Frames per second of an image folder; default 24. */
  fps?: number;
}

/** Models of SAM that checkpoints are published of. */
export type SegmenterName = 'sam-vit-b' | 'sam-vit-l' | 'sam-vit-h' | 'mobile-sam';
/** Models of Grounding DINO that checkpoints are published of. */
export type DetectorName = 'grounding-dino-t' | 'grounding-dino-b';

const SEGMENTERS: readonly string[] = ['sam-vit-b', 'sam-vit-l', 'sam-vit-h', 'mobile-sam'] satisfies SegmenterName[];
const DETECTORS: readonly string[] = ['grounding-dino-t', 'grounding-dino-b'] satisfies DetectorName[];

/** The checkpoint that a name or path means. @throws SessionError `bad-option` for a model that was not downloaded */
async function checkpointOf(given: string, names: readonly string[]): Promise<string> {
  if (!names.includes(given)) return given;
  const file = await downloadedWeights(given);
  if (file !== undefined) return file;
  throw new SessionError(
    'bad-option',
    `there is no checkpoint of ${given} here: run \`samtrack weights pull ${given}\`, or give a file or URL`,
  );
}

const isSource = (input: object): input is FrameSource => 'frames' in input && 'kind' in input;

/**
 * The models, loaded once, for any number of sessions; these take turns with the tracker.
 *
 *     const st = await SamTrack.load({ tracker: 'deaot-t', segmenter: 'sam-vit-b', detector: 'grounding-dino-t' });
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
   * Opens the GPU and loads the tracker.
   * @throws DeviceError without a usable GPU; CheckpointError for unsuitable weights; SessionError `bad-option` without weights
   */
  static async load(options: SamTrackOptions = {}): Promise<SamTrack> {
    const { tracker: model = 'deaot-t', longTermGap, memoryPolicy, gpu, signal, onProgress, onDeviceLost } = options;
    const own = options.weights === undefined ? await defaultWeights(model) : undefined;
    const weights = options.weights ?? own?.path;
    if (weights === undefined) {
      throw new SessionError(
        'bad-option',
        `no weights of ${model} come with samtrack here: give \`weights\`, a file or URL`,
      );
    }
    const longEdge = options.longEdge ?? own?.longEdge;
    const { segmenter, detector } = options;
    const assistants = {
      segmenter:
        typeof segmenter === 'string' ? new SamSegmenter(await checkpointOf(segmenter, SEGMENTERS)) : segmenter,
      detector:
        typeof detector === 'string' ? new GroundingDinoDetector(await checkpointOf(detector, DETECTORS)) : detector,
    };
    const digest = await weightsDigest(weights);
    const tracker = await VideoTracker.load({
      model,
      weights,
      longEdge,
      longTermGap,
      memoryPolicy,
      uncertainty: true,
      gpu,
      signal,
      onProgress,
      onDeviceLost,
    });
    const identity = {
      model,
      weights: weights.replace(/^.*[\\/]/, ''),
      weightsDigest: digest,
      longEdge: longEdge ?? null,
      longTermGap: longTermGap ?? null,
      memoryPolicy: memoryPolicy ?? null,
    };
    return new SamTrack(assistants, tracker, new SharedTracker(tracker), identity);
  }

  /**
   * Begins a session over a source, or goes on with the one that is kept in `project`.
   * @param input A path (Node), a Blob, image files, an open source, or pictures as they come (a camera, a stream).
   * @throws SourceError, FrameError; as `Session.open`
   */
  async open(
    input: SourceInput | FrameSource | AsyncIterable<LiveFrame>,
    { project, memoryMB, fps }: OpenOptions = {},
  ): Promise<Session> {
    if (this.#disposed) throw new SessionError('closed', 'the models were disposed');
    if (memoryMB !== undefined && !(memoryMB > 0)) throw new SessionError('bad-option', `memoryMB is ${memoryMB}`);
    const own = typeof input === 'string' || !isSource(input);
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

  /** Ends the sessions, closes what was opened for them, and frees the GPU. Idempotent. */
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
  if (typeof input === 'string' || input instanceof Blob || Array.isArray(input)) {
    return openSource(input as SourceInput, { fps });
  }
  if (isSource(input)) return input;
  return liveSource(input as AsyncIterable<LiveFrame>, { fps });
}
