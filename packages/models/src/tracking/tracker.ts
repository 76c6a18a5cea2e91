import type { Box } from '../masks/box.js';
import type { TrackerSnapshot } from './snapshot.js';

/** Height and width in pixels or tokens. */
export interface Size {
  height: number;
  width: number;
}

/** A window of one size that frames are looked at through. */
export interface WindowOf {
  /** Size of the whole frames. */
  readonly whole: Size;
  /** How much larger than within the whole frame what is seen through it enters the network. */
  readonly factor: number;
}

/** Which way a tracker goes through a video. */
export type TrackingDirection = 'forward' | 'backward';

/** Options that every tracker has. */
export interface TrackingOptions {
  /** The order in which frames come; `forward` by default. */
  direction?: TrackingDirection | undefined;
  /** Longest side of the network's input; larger frames are reduced. */
  longEdge?: number | undefined;
  /** The frames are windows of larger ones, which `longEdge` is of. */
  windowOf?: WindowOf | undefined;
  /** Most memory that remembered frames may take, in MB (10^6 bytes); never exceeded. */
  memoryMB?: number | undefined;
}

/** A frame that is remembered for longer than the next few. */
export interface RememberedFrame {
  readonly frame: number;
  /** Whether its masks were given. */
  readonly reference: boolean;
}

/** How sure a tracker is of an object in a frame. */
export interface Certainty {
  /** 0..1. */
  readonly mean: number;
  /** Over how many positions of the frame it is a mean. */
  readonly positions: number;
}

/** What is shown of an object in a frame, in pixels of the video: points, a box, or both. */
export interface ObjectPrompt {
  readonly points?: readonly (readonly [x: number, y: number])[] | undefined;
  /** One for each point: 1 on the object, 0 beside it. */
  readonly labels?: readonly number[] | undefined;
  readonly box?: Box | undefined;
}

/** What is remembered of a frame beyond the next few. */
export interface UpdateOptions {
  /** Remembers the frame for longer, or does not, whatever the tracker would do by itself. */
  memorise?: boolean | undefined;
}

/** Done at once, or later. */
type Awaitable<T> = T | Promise<T>;

/**
 * Tracks objects through one video; what a program needs to know of a network that does.
 *
 * A frame is a reference (its masks are given), or recalled (its masks are known from earlier), or propagated to (its masks are found) and
 * then remembered with `update`. Frames have their index in the video and come in the direction of travel; steps may be left out. What a tracker
 * can do beyond that, it says by having the optional members.
 */
export interface Tracker {
  /** Size of the video's frames. */
  readonly size: Size;
  /** Network input size. */
  readonly network: Size;
  /** Objects have the ids 1..objects. */
  readonly objects: number;
  /** Bytes of memory that the remembered frames take. */
  readonly memoryBytes: number;
  /** The frames that are remembered for longer than the next few; by group of objects, or by object. */
  readonly memorisedFrames: readonly (readonly RememberedFrame[])[];
  /** Frames between propagated frames that are remembered for longer, as it is now: where memory is scarce it grows. */
  readonly longTermGap?: number;
  /**
   * Makes a frame with known masks a reference; the first one starts the tracking.
   * @param pixels RGBA bytes.
   * @param labels Ids of the pixels, row by row, 0 is background.
   * @param objects Number of objects, never less than before.
   * @param given Objects whose masks were given, where others' were found; of use to trackers that remember objects one by one.
   * @throws TrackerError, OutOfBudgetError; nothing has changed then
   */
  addReference(
    frame: number,
    pixels: Uint8Array,
    labels: ArrayLike<number>,
    objects: number,
    given?: ReadonlySet<number>,
  ): Awaitable<void>;
  /** Finds the objects in a frame; memory stays as it is. @throws TrackerError */
  propagate(frame: number, pixels: Uint8Array): Awaitable<void>;
  /** Ids of the pixels of the current frame, row by row. */
  labels(): Promise<Int32Array>;
  /** How sure the tracker is of each object in the current frame, by id. Empty for a reference frame, and where it cannot tell. */
  certainty(): Promise<ReadonlyMap<number, Certainty>>;
  /** Remembers the current frame, with the labels found or with better ones. May be repeated. */
  update(labels?: ArrayLike<number>, options?: UpdateOptions): Awaitable<void>;
  /** `propagate`, `update` and `labels` in one. */
  step(frame: number, pixels: Uint8Array): Promise<Int32Array>;
  /** Remembers a frame whose masks are known from earlier, without searching it. */
  recall(frame: number, pixels: Uint8Array, labels: ArrayLike<number>, options?: UpdateOptions): Awaitable<void>;
  /**
   * Shows an object on a frame to the tracker itself, in place of a mask; what has an own memory of each object can take that. The
   * frame becomes the current one, `update` then makes it a reference for that object.
   * @param object One that there is, or the next one.
   * @returns ids of the frame's pixels, as `labels`
   */
  prompt?(frame: number, pixels: Uint8Array, object: number, shown: ObjectPrompt): Promise<Int32Array>;
  /** Whether a propagated frame would be remembered for longer than the next few. */
  memorises(frame: number): boolean;
  /** What is remembered, as a value that outlives the tracker. */
  snapshot?(): TrackerSnapshot;
  /**
   * Remembers what a snapshot holds, in place of what was remembered; there is no current frame then. The snapshot is one of a tracker of the same model, size and options, on whatever engine.
   * @throws TrackerError `snapshot`, OutOfBudgetError; nothing has changed then
   */
  restore?(snapshot: TrackerSnapshot): Promise<void>;
  dispose(): void;
}
