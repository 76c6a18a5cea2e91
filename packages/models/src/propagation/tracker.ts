import { type Engine, getEngine, labelArgmax, labelPropagation } from '@samtrack/kernels';
import { dispose, pad, reshape, type Tensor, type Tensor2D, tensor } from '@tensorflow/tfjs-core';
import {
  checkObjects,
  DEFAULT_MEMORY_MB,
  noFrame,
  noReference,
  noUpdate,
  OutOfBudgetError,
  TrackerError,
} from '../tracking/errors.js';
import { checkLabels, FrameInput } from '../tracking/frame-input.js';
import {
  type Certainty,
  networkSize,
  type RememberedFrame,
  type Size,
  type Tracker,
  type TrackingOptions,
  tokenGrid,
} from '../tracking/index.js';
import { SnapshotWriter, snapshotValues, type TrackerSnapshot } from '../tracking/snapshot.js';
import { FEATURES, type LabelPropagationModel } from './model.js';
import { softLabels } from './soft-labels.js';

/** Longest side of the network's input by default: the maps are coarse, and smaller ones lose small objects. */
export const PROPAGATION_LONG_EDGE = 849;

/** Reference frames that are looked at: the first one and the latest. */
const REFERENCES = 3;
/** Propagated frames that are looked at: the last ones. */
export const PROPAGATION_RECENT_FRAMES = 3;
/** How far a token looks around itself in reference frames and in recent ones, in tokens. */
const REFERENCE_RADIUS = 12;
const RECENT_RADIUS = 7;
const TEMPERATURE = 0.05;
const TOP_K = 10;

/** Options of `LabelPropagationTracker`; `longEdge` is 849 by default. */
export type LabelPropagationOptions = TrackingOptions;

/** What a tracker remembers, beside tensors: which frames. */
type PropagationState = {
  readonly objects: number;
  readonly references: readonly number[];
  readonly recent: readonly number[];
};

/** A frame and what is known of it. */
interface Entry {
  frame: number;
  /** float32 [T, 96]. */
  key: Tensor;
  /** Soft labels, float32 [T, channels]. */
  soft: Tensor;
}

/**
 * Tracks objects without anything trained on video: every token takes the labels of the tokens that look most like it in
 * the reference frames and in the last frames. Any number of objects at once; masks follow the grid of 16 pixels, so that
 * their edges are coarse. The bar that trained trackers have to clear, and a tracker where there are no weights for one.
 *
 * Label propagation as in Jabri, Owens and Efros, "Space-Time Correspondence as a Contrastive Random Walk" (2020),
 * section 4.1: cosine, softmax at 0.05 over the ten best, windows of radius 12 (reference frames) and 7 (last 3 frames).
 */
export class LabelPropagationTracker implements Tracker {
  readonly network: Size;
  objects = 0;

  readonly #engine: Engine;
  readonly #input: FrameInput;
  readonly #grid: Size;
  readonly #budget: number;
  #references: Entry[] = [];
  #recent: Entry[] = [];
  /** The current frame, with the labels that were found in it or given for it. */
  #current: { entry: Entry; found?: Tensor; given?: Int32Array } | undefined;

  constructor(
    readonly model: LabelPropagationModel,
    /** Size of the video's frames. */
    readonly size: Size,
    { longEdge = PROPAGATION_LONG_EDGE, windowOf, memoryMB = DEFAULT_MEMORY_MB }: LabelPropagationOptions = {},
  ) {
    this.#engine = getEngine();
    this.network = networkSize(size.height, size.width, true, longEdge, windowOf);
    this.#grid = tokenGrid(this.network, true);
    this.#input = new FrameInput(this.#engine, size, this.network);
    this.#budget = memoryMB * 1e6;
  }

  get memoryBytes(): number {
    return [...this.#references, ...this.#recent].reduce((sum, e) => sum + 4 * (e.key.size + e.soft.size), 0);
  }

  get memorisedFrames(): readonly (readonly RememberedFrame[])[] {
    return [this.#references.map(({ frame }) => ({ frame, reference: true }))];
  }

  /**
   * Makes a frame with known masks a reference for all objects; the frames before it are forgotten, except the first
   * reference and the latest ones.
   *
   * @param frame Its index.
   * @param pixels RGBA bytes of the frame.
   * @param labels Ids of its pixels, 0 is background.
   * @param objects Number of objects; ids are 1..objects. Never less than before.
   * @throws TrackerError for sizes that do not fit; OutOfBudgetError when the memory has no room.
   */
  addReference(frame: number, pixels: Uint8Array, labels: ArrayLike<number>, objects: number): void {
    checkObjects(objects);
    checkLabels(labels, this.size);
    const channels = channelsOf(Math.max(objects, this.objects));
    this.#checkBudget(Math.min(REFERENCES, this.#references.length + 1) + PROPAGATION_RECENT_FRAMES, channels);
    this.#input.write(pixels);
    this.objects = Math.max(objects, this.objects);
    this.#forgetCurrent();
    for (const entry of this.#recent) disposeEntry(entry);
    this.#recent = [];
    if (this.#references.length === REFERENCES) disposeEntry(this.#references.splice(1, 1)[0]!);
    for (const entry of this.#references) entry.soft = widened(entry.soft, channels);
    const entry = { frame, key: this.#encode(), soft: this.#softLabelsOf(labels) };
    this.#references.push(entry);
    this.#current = { entry, given: Int32Array.from(labels) };
  }

  async step(frame: number, pixels: Uint8Array): Promise<Int32Array> {
    this.propagate(frame, pixels);
    this.update();
    return this.labels();
  }

  /** @throws TrackerError before the first reference, or when the frame has another size. */
  propagate(frame: number, pixels: Uint8Array): void {
    if (this.#references.length === 0) throw noReference();
    this.#input.write(pixels);
    this.#forgetCurrent();
    const { height, width } = this.#grid;
    const key = this.#encode();
    const near = (radius: number) => (entry: Entry) => ({ key: entry.key, labels: entry.soft, radius });
    const soft = labelPropagation({
      height,
      width,
      query: key,
      frames: [...this.#references.map(near(REFERENCE_RADIUS)), ...this.#recent.map(near(RECENT_RADIUS))],
      temperature: TEMPERATURE,
      topK: TOP_K,
    });
    const maps = reshape(soft, [height, width, soft.shape[1]!]);
    const found = labelArgmax(maps, {
      classes: this.objects + 1,
      ...this.size,
      alignCorners: true,
    });
    maps.dispose();
    this.#current = { entry: { frame, key, soft }, found };
  }

  /** @throws TrackerError `no-frame`, before the first frame */
  async labels(): Promise<Int32Array> {
    if (!this.#current) throw noFrame();
    const { given, found } = this.#current;
    return given?.slice() ?? new Int32Array(await this.#engine.read(found!));
  }

  /** Empty: this tracker does not tell. */
  async certainty(): Promise<ReadonlyMap<number, Certainty>> {
    return new Map();
  }

  /**
   * Remembers the current frame for the next three; with better labels, if there are some. May be repeated.
   * @throws TrackerError `no-frame`, before the first frame
   */
  update(labels?: ArrayLike<number>): void {
    if (!this.#current) throw noUpdate();
    const { entry } = this.#current;
    if (labels) {
      checkLabels(labels, this.size);
      entry.soft.dispose();
      entry.soft = this.#softLabelsOf(labels);
      this.#current.found?.dispose();
      this.#current = { entry, given: Int32Array.from(labels) };
    }
    if (this.#remembers(entry)) return;
    this.#recent.push(entry);
    if (this.#recent.length > PROPAGATION_RECENT_FRAMES) disposeEntry(this.#recent.shift()!);
  }

  recall(frame: number, pixels: Uint8Array, labels: ArrayLike<number>): void {
    this.propagate(frame, pixels);
    this.update(labels);
  }

  /** Never: only references are kept for longer. */
  memorises(): boolean {
    return false;
  }

  snapshot(): TrackerSnapshot {
    const writer = new SnapshotWriter(this.#engine);
    const add = (kind: string) => (entry: Entry, i: number) => {
      writer.add(`${kind}${i}.key`, entry.key.shape, () => ({ tensor: entry.key }));
      writer.add(`${kind}${i}.soft`, entry.soft.shape, () => ({ tensor: entry.soft }));
      return entry.frame;
    };
    const state: PropagationState = {
      objects: this.objects,
      references: this.#references.map(add('reference')),
      recent: this.#recent.map(add('recent')),
    };
    return { state, tensors: writer.tensors };
  }

  async restore(snapshot: TrackerSnapshot): Promise<void> {
    const { objects, references, recent } = snapshot.state as Partial<PropagationState>;
    if (objects === undefined || !references || !recent) {
      throw new TrackerError('snapshot', 'This is no snapshot of label propagation.');
    }
    const channels = channelsOf(objects);
    this.#checkBudget(references.length + recent.length, channels);
    const tokens = this.#grid.height * this.#grid.width;
    const restored: Entry[] = [];
    const entries = async (kind: string, frames: readonly number[]) => {
      const made: Entry[] = [];
      for (const [i, frame] of frames.entries()) {
        const key = await snapshotValues(snapshot, `${kind}${i}.key`, [tokens, FEATURES]);
        const soft = await snapshotValues(snapshot, `${kind}${i}.soft`, [tokens, channels]);
        const entry = { frame, key: tensor(key, [tokens, FEATURES]), soft: tensor(soft, [tokens, channels]) };
        made.push(entry);
        restored.push(entry);
      }
      return made;
    };
    let remembered: Entry[][];
    try {
      remembered = [await entries('reference', references), await entries('recent', recent)];
    } catch (error) {
      for (const entry of restored) disposeEntry(entry);
      throw error;
    }
    this.#forgetAll();
    [this.#references, this.#recent] = remembered as [Entry[], Entry[]];
    this.objects = objects;
  }

  dispose(): void {
    this.#forgetAll();
    this.#input.dispose();
  }

  #forgetAll(): void {
    this.#forgetCurrent();
    for (const entry of [...this.#references, ...this.#recent]) disposeEntry(entry);
    this.#references = [];
    this.#recent = [];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #encode(): Tensor {
    const image = this.#input.image();
    const key = this.model.encode(image);
    image.dispose();
    return key;
  }

  #softLabelsOf(labels: ArrayLike<number>): Tensor {
    const channels = channelsOf(this.objects);
    const soft = softLabels(labels, this.size, this.#grid, this.objects + 1, channels);
    return tensor(soft, [this.#grid.height * this.#grid.width, channels]);
  }

  #remembers(entry: Entry): boolean {
    return this.#references.includes(entry) || this.#recent.includes(entry);
  }

  #forgetCurrent(): void {
    const current = this.#current;
    this.#current = undefined;
    if (!current) return;
    current.found?.dispose();
    if (!this.#remembers(current.entry)) disposeEntry(current.entry);
  }

  #checkBudget(frames: number, channels: number): void {
    const needed = frames * this.#grid.height * this.#grid.width * (FEATURES + channels) * 4;
    if (needed > this.#budget) {
      throw new OutOfBudgetError(needed, this.#budget, `Remembering ${frames} frames of ${channels - 1} objects`);
    }
  }
}

/** Columns of soft labels: background and the objects, in whole vectors of 4. */
const channelsOf = (objects: number) => Math.ceil((objects + 1) / 4) * 4;

/** Soft labels with zero columns added. Takes over the tensor. */
function widened(soft: Tensor, channels: number): Tensor {
  const missing = channels - soft.shape[1]!;
  if (missing === 0) return soft;
  const out = pad(soft as Tensor2D, [
    [0, 0],
    [0, missing],
  ]);
  soft.dispose();
  return out;
}

function disposeEntry({ key, soft }: Entry): void {
  dispose([key, soft]);
}
