import type { Certainty, TrackerSnapshot, TrackingDirection } from '@samtrack/models';
import type { Frame, LabelMap } from '../io/index.js';

/** Masks that were found in a frame. */
export interface FoundMasks {
  labels: LabelMap;
  /** How sure the tracker is of each object, by id; empty where it cannot tell. */
  certainty: ReadonlyMap<number, Certainty>;
}

/** What a tracker is emptied for. */
export interface RestartOptions {
  /** Memory for remembered frames, where it is not that of `load`, in MB (10^6 bytes). */
  memoryMB?: number | undefined;
  /** The order in which frames will come; `forward` by default. */
  direction?: TrackingDirection | undefined;
}

/**
 * A tracker of one video after the other, as `Propagator` steps through frames with it. `VideoTracker` is one.
 *
 * Frames have their index in the video and come in the direction of travel; ids are 1, 2, ...
 */
export interface FrameTracker {
  /**
   * Makes a frame with known masks a reference; the first one starts the tracking.
   * @param given Objects whose masks were given, where others' were found.
   * @throws OutOfBudgetError
   */
  addReference(frame: Frame, labels: LabelMap, given?: ReadonlySet<number>): Promise<void>;
  /** Finds the objects in a frame and remembers it as found. */
  step(frame: Frame): Promise<LabelMap>;
  /** Finds the objects in a frame and remembers nothing yet: `remember` or `addReference` follows. */
  predict(frame: Frame): Promise<FoundMasks>;
  /** Remembers the frame that `predict` has seen, with its masks or better ones. */
  remember(frame: Frame, labels: LabelMap): Promise<void>;
  /** Remembers a frame whose masks are known from earlier, without searching it. */
  recall(frame: Frame, labels: LabelMap): Promise<void>;
  /** Whether a frame would be remembered for longer than the next few. */
  memorises(index: number): boolean;
  /** Whether `recall` leaves the memory exactly as tracking the frame does. */
  readonly recallsExactly: boolean;
  /** Frames before the next one that it reads, beside those that are remembered for longer. */
  readonly recentFrames: number;
  /** Objects whose memory is allocated together. */
  readonly groupSize: number;
  readonly memorisedFrames: readonly { frame: number; reference: boolean }[];
  /** Memory in bytes: of the remembered frames, of the engine altogether; on the CPU, pixels kept in case the GPU is lost. */
  readonly memory: { rememberedBytes: number; allocatedBytes: number; keptBytes: number };
  /** Forgets everything. */
  restart(options?: RestartOptions): void;
  /** What it remembers, as a value that outlives it; undefined where it cannot say, or nothing is tracked yet. */
  snapshot?(): TrackerSnapshot | undefined;
  /**
   * Remembers what a snapshot of such a tracker holds, but for the frames themselves: those up to where it was taken are handed in with
   * `recollect`, in their order.
   * @throws TrackerError `snapshot`, OutOfBudgetError; it remembers what it did before then
   */
  restore?(snapshot: TrackerSnapshot): Promise<void>;
  /** Takes in a frame that a restored memory is of, in case it is one of those that are kept. */
  recollect?(frame: Frame, labels: LabelMap): void;
}
