/** Height and width in pixels or tokens. */
export interface Size {
  height: number;
  width: number;
}

/** Done at once, or later. */
type Awaitable<T> = T | Promise<T>;

/** What a program that tracks a video needs of a tracker; `DeAotTracker`, `Sam2Tracker` and `LabelPropagationTracker` are ones. */
export interface Tracker {
  /** Size of the video's frames. */
  readonly size: Size;
  /** Network input size. */
  readonly network: Size;
  /** Frames seen: 0 after the first reference, one more with every propagated frame. May be set, to go on elsewhere. */
  frame: number;
  /** Objects have the ids 1..objects. */
  readonly objects: number;
  /** Bytes of GPU memory that the remembered frames take. */
  readonly memoryBytes: number;
  /** The frames that are remembered for longer than the next few, by group of objects. */
  readonly memorisedFrames: readonly (readonly { frame: number; reference: boolean }[])[];
  /** Makes a frame with known masks a reference; the first one starts the tracking. Pixels are RGBA bytes. */
  addReference(pixels: Uint8Array, labels: ArrayLike<number>, objects: number): Awaitable<void>;
  /** `propagate`, `update` and `labels` in one. */
  step(pixels: Uint8Array): Promise<Int32Array>;
  /** Finds the objects in the next frame; memory stays as it is. */
  propagate(pixels: Uint8Array): Awaitable<void>;
  /** Ids of the pixels of the current frame, row-major. */
  labels(): Promise<Int32Array>;
  /** Pairs of label and entropy at stride 4, where the tracker has them; empty otherwise. */
  uncertainty(): Promise<Float32Array>;
  /** Remembers the current frame, with the labels found or with better ones. */
  update(labels?: ArrayLike<number>, options?: { memorise?: boolean }): Awaitable<void>;
  /** Remembers a frame whose masks are known from earlier, without searching it. */
  recall(
    frame: number,
    pixels: Uint8Array,
    labels: ArrayLike<number>,
    options?: { memorise?: boolean },
  ): Awaitable<void>;
  /** Whether a propagated frame would be remembered for longer than the next few. */
  memorises(frame: number): boolean;
  dispose(): void;
}
