/// <reference lib="esnext.disposable" preserve="true" />
import { DeviceLostError, type EngineKind } from '@samtrack/kernels';
import {
  type CheckpointInput,
  OutOfBudgetError,
  type RefiningPredictor,
  type Size,
  type Tracker,
  TrackerError,
  type TrackerOptions,
  type TrackerSnapshot,
  type TrackingDirection,
} from '@samtrack/models';
import { type EngineOptions, type OpenEngine, openEngine } from '../engine/index.js';
import type { Frame, LabelMap } from '../io/index.js';
import {
  BOOLEAN,
  checkOptions,
  FRAMES_OR_NEVER,
  FUNCTION,
  type KnownOptions,
  oneOf,
  POSITIVE,
  POSITIVE_INTEGER,
  SIGNAL,
} from '../io/known-options.js';
import { maxLabelId } from '../io/label-map.js';
import { trackerWeights } from './default-weights.js';
import { badOption, TrackingError } from './errors.js';
import type { FoundMasks, FrameTracker, RestartOptions } from './frame-tracker.js';
import { findStrays, withoutPixels } from './strays.js';
import { type TrackerModel, type TrackerName, trackerChoice } from './tracker-kinds.js';
import { loadTrackingModel, type TrackingModel, type TrackingModelOptions } from './tracking-model.js';
import { type Bounds, type Extent, extentOf, FrameCrop, fitsInto, windowSize, zoomOf } from './zoom.js';

/** How much is spent on a frame. */
export type Quality = 'standard' | 'high';

/** How much longer the sides of the network's input are with `high`. */
const HIGH_QUALITY = 4 / 3;

/** Options of `VideoTracker.load`. Those of the long-term memory are for DeAOT. */
export interface VideoTrackerOptions
  extends Omit<TrackingModelOptions, 'tracker' | 'model' | 'weights'>,
    EngineOptions,
    Omit<TrackerOptions, 'onTap' | 'direction' | 'windowOf'> {
  /** What tracks: a kind of tracker, or one of its models; `deaot` by default. */
  tracker?: TrackerName | undefined;
  /** Which model; the kind's first by default, `deaot-t`. Label propagation takes the image encoder of any DeAOT that has a MobileNetV2. */
  model?: TrackerModel | undefined;
  /**
   * Checkpoint, safetensors or PyTorch's `.pth`: a path (Node), a URL, a Blob or File, or bytes, which must stay as they are while
   * the tracker is in use. In Node, those that come with samtrack by default.
   */
  weights?: CheckpointInput | undefined;
  /**
   * What becomes of parts of an object that appear far from where it was one frame before, while it is still there: mostly other things that
   * look like it. `drop` makes background of them, `keep` leaves what the network says. Default `drop` with the weights that come with
   * samtrack, and `keep` with published ones, whose results then are the published ones.
   */
  strays?: 'keep' | 'drop' | undefined;
  /**
   * `auto` looks at small objects through a window around them that follows them, at a higher resolution and the cost of a whole frame;
   * at the whole frame where one of them is not seen, or where they need more room. `off` always looks at whole frames. Default `auto`
   * with the weights that come with samtrack, and `off` with published ones, whose results then are the published ones. SAM 2.1 has no use for it.
   */
  zoom?: 'auto' | 'off' | undefined;
  /**
   * `high` gives the network frames a third larger each way, in place of `longEdge`: finer masks of small and thin things for about
   * 1.8 times the time. Default `standard`. SAM 2.1 has no use for it.
   */
  quality?: Quality | undefined;
  /** Called when the GPU was lost and has been opened again. */
  onDeviceLost?: ((message: string) => void) | undefined;
}

/** Options that sessions have too, and what they may be; names of engines, models and weights are looked at where they are looked for. */
export const LOADING_OPTIONS = {
  tracker: true,
  model: true,
  weights: true,
  longEdge: POSITIVE_INTEGER,
  longTermGap: FRAMES_OR_NEVER,
  memoryPolicy: oneOf('sparse', 'fifo', 'unbounded'),
  strays: oneOf('keep', 'drop'),
  zoom: oneOf('auto', 'off'),
  quality: oneOf('standard', 'high'),
  engine: true,
  gpu: true,
  cpu: true,
  cache: BOOLEAN,
  signal: SIGNAL,
  onProgress: FUNCTION,
  onDeviceLost: FUNCTION,
} as const satisfies Partial<KnownOptions<VideoTrackerOptions>>;

const OPTIONS: KnownOptions<VideoTrackerOptions> = {
  ...LOADING_OPTIONS,
  memoryMB: POSITIVE,
  uncertainty: BOOLEAN,
  digest: BOOLEAN,
};

/** As whom trackers hold the GPU. */
const HOLDER = 'VideoTracker';

/** A frame that the memory holds, kept on the CPU so that a lost GPU costs nothing. */
interface Remembered {
  index: number;
  rgba: Uint8Array;
  labels: Uint16Array;
  /** Number of objects, for reference frames. */
  objects?: number;
  given?: ReadonlySet<number> | undefined;
  /** What a window is placed around: where objects were one frame before; where they are, in reference frames and where windows change. */
  around: Bounds | undefined;
  /** Where the objects were one frame before; where they are, in reference frames. */
  before: Bounds | undefined;
  /** Where the objects are. */
  extent: Extent | undefined;
}

/** What a snapshot holds beside the tracker's own state: the size of frames, and what is to be kept of which. */
type VideoState = {
  readonly height: number;
  readonly width: number;
  /** Of the window that the tracker sees. */
  readonly window: { readonly height: number; readonly width: number } | null;
  readonly windowStays: boolean;
  readonly kept: readonly KeptFrame[];
  /** State of the tracker inside. */
  readonly tracker: TrackerSnapshot['state'];
};

/** A frame whose pixels and labels are kept. */
type KeptFrame = {
  readonly frame: number;
  /** Whether it is one of the last few. */
  readonly recent: boolean;
  /** Whether the long-term memory holds it. */
  readonly remembered: boolean;
  /** Number of objects, for reference frames. */
  readonly objects: number | null;
  readonly given: readonly number[] | null;
  readonly around: Bounds | null;
  readonly before: Bounds | null;
};

/**
 * Tracks objects through one video, frame by frame, and survives the loss of a GPU: the device is opened again, once for
 * each loss, and the memory is rebuilt from the frames it held.
 */
export class VideoTracker implements FrameTracker {
  #tracker: Tracker | undefined;
  /** Reference frames and memorised frames, ascending. */
  #remembered: Remembered[] = [];
  /** The last frames, in their order. */
  #recent: Remembered[] = [];
  /** Frames of a restored memory that were not handed in yet. */
  #wanted = new Map<number, KeptFrame>();
  #memoryMB: number | undefined;
  #direction: TrackingDirection | undefined;
  /** Size of the video's frames. */
  #frame: Size | undefined;
  /** Size of the window that the tracker sees; nothing where it sees whole frames. */
  #window: Size | undefined;
  /** Whether there was no memory for changing to or from a window: then it stays as it is. */
  #windowStays = false;

  private constructor(
    private readonly options: Omit<VideoTrackerOptions, 'tracker'> & TrackingModelOptions,
    private opened: OpenEngine,
    private model: TrackingModel,
  ) {
    this.#memoryMB = options.memoryMB;
  }

  /**
   * Opens an engine and loads the weights.
   * @throws TrackingError for a name that is not known, or without weights; as `openEngine`; CheckpointError for
   *   unsuitable weights.
   */
  static async load(given: VideoTrackerOptions = {}): Promise<VideoTracker> {
    checkOptions('VideoTracker.load', given, OPTIONS, badOption);
    if (given.quality === 'high' && given.longEdge !== undefined) {
      throw new TrackingError('bad-option', '`quality` and `longEdge` both say how large the input of the network is');
    }
    const { tracker, model } = trackerChoice(given);
    const options = { ...given, tracker, model, weights: await trackerWeights(model, given.weights) };
    const opened = await openEngine(options, HOLDER);
    try {
      return new VideoTracker(options, opened, await loadTrackingModel(options));
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /** What the network runs on. */
  get engine(): EngineKind {
    return this.opened.kind;
  }

  /** Name of the adapter, or of the processor. */
  get device(): string {
    return this.opened.engine.device;
  }

  /** Both, for records. */
  get engineName(): string {
    return `${this.engine}: ${this.device}`;
  }

  /** A line that says which engine it is, and why. */
  get engineReason(): string {
    return this.opened.reason;
  }

  /** Keys of the checkpoint that the model does not know. */
  get unexpectedKeys(): readonly string[] {
    return this.model.unexpectedKeys;
  }

  /** By what the weights are known again, if `digest` was set. */
  get weightsDigest(): string | undefined {
    return this.model.digest;
  }

  /** Memory in bytes: of the engine, of the remembered frames and altogether; on the CPU, pixels kept in case the GPU is lost. */
  get memory(): { rememberedBytes: number; allocatedBytes: number; keptBytes: number } {
    const kept = new Set(this.#remembered);
    for (const entry of this.#recent) kept.add(entry);
    return {
      rememberedBytes: this.#tracker?.memoryBytes ?? 0,
      allocatedBytes: this.opened.engine.memory().allocatedBytes,
      keptBytes: [...kept].reduce((sum, { rgba, labels }) => sum + rgba.length + 2 * labels.length, 0),
    };
  }

  /** Whether `recall` leaves exactly the memory that tracking the frame would have left. */
  get recallsExactly(): boolean {
    return this.model.recallsExactly;
  }

  /** Whether a run that goes on after a break gives the bytes of one without: by recalling frames, or by a snapshot. */
  get resumesExactly(): boolean {
    // As long as nothing is tracked nothing is remembered.
    return this.recallsExactly || !this.#tracker || this.#tracker.snapshot !== undefined;
  }

  /** What segments images with the tracker's own network; nothing where that takes no prompts. */
  predictor(): RefiningPredictor | undefined {
    return this.model.predictor?.();
  }

  /**
   * A tracker for a few prompts of a video, which leaves what is remembered here as it is; the caller's to dispose. Nothing where the
   * network remembers no prompts.
   */
  aside(size: Size, direction: TrackingDirection): Tracker | undefined {
    this.#check();
    return this.model.aside?.(size, { direction });
  }

  /** Frames before the next one that the tracker reads, beside those that are remembered for longer. */
  get recentFrames(): number {
    // Where it looked in the last one follows from the two before it.
    return this.model.recentFrames + (this.#zooms ? 2 : 0);
  }

  /** Objects whose memory is allocated together. */
  get groupSize(): number {
    return this.model.groupSize;
  }

  /** The long-term memory's frames, of all groups. */
  get memorisedFrames(): readonly { frame: number; reference: boolean }[] {
    return this.#tracker?.memorisedFrames.flat() ?? [];
  }

  /** Network input size, once a reference frame is there. */
  get networkSize(): { height: number; width: number } | undefined {
    return this.#tracker?.network;
  }

  /** Size of the window that the last frame was looked at through; nothing for whole frames. */
  get windowSize(): { height: number; width: number } | undefined {
    return this.#window;
  }

  /**
   * Makes a frame with known masks a reference; the first one starts the tracking.
   * @param given Objects whose masks were given, where others' were found; of use to trackers that remember objects one by one.
   * @throws TrackerError, OutOfBudgetError
   */
  async addReference(frame: Frame, labels: LabelMap, given?: ReadonlySet<number>): Promise<void> {
    const found = this.#entry(frame, labels);
    const entry = {
      ...found,
      objects: maxLabelId(labels),
      given,
      around: found.extent?.core,
      before: found.extent?.core,
    };
    await this.#surviving(async () => {
      this.#frame ??= { height: frame.height, width: frame.width };
      await this.#lookThrough(this.#windowFor([...this.#references, entry]));
      await this.#refer(this.#tracker ?? this.#start(), entry);
    });
    this.#remembered.push(entry);
    this.#follow(entry);
  }

  /** Finds the objects in a frame and remembers it as found. */
  async step(frame: Frame): Promise<LabelMap> {
    const labels = await this.#surviving(async () => {
      const crop = await this.#lookAt();
      const tracker = this.#started;
      const pixels = pixelsIn(crop, frame.rgba);
      if (!this.#dropsStrays) return mapOf(frame, crop, await tracker.step(frame.index, pixels));
      await tracker.propagate(frame.index, pixels);
      const found = mapOf(frame, crop, await tracker.labels());
      const kept = this.#withoutStrays(found);
      await tracker.update(kept === found ? undefined : labelsIn(crop, kept.data));
      return kept;
    });
    this.#keep(this.#entry(frame, labels));
    return labels;
  }

  /**
   * Finds the objects in a frame and remembers nothing yet: `remember` or `addReference` follows.
   * @returns The label map, and how sure it is where the tracker can tell; DeAOT does with the option `uncertainty`.
   */
  async predict(frame: Frame): Promise<FoundMasks> {
    return this.#surviving(async () => {
      const crop = await this.#lookAt();
      const tracker = this.#started;
      await tracker.propagate(frame.index, pixelsIn(crop, frame.rgba));
      const labels = this.#withoutStrays(mapOf(frame, crop, await tracker.labels()));
      return { labels, certainty: await tracker.certainty() };
    });
  }

  /** Remembers the frame that `predict` has seen, with its masks or better ones. */
  async remember(frame: Frame, labels: LabelMap): Promise<void> {
    let lost = false;
    await this.#surviving(async () => {
      // After a loss the frame has to be seen again.
      if (lost) return this.#recall(frame, labels);
      lost = true;
      await this.#started.update(labelsIn(this.#crop(this.#recent.at(-1)?.extent?.core), labels.data));
    });
    this.#keep(this.#entry(frame, labels));
  }

  /** Remembers a frame whose masks an earlier run found; for resuming. */
  async recall(frame: Frame, labels: LabelMap): Promise<void> {
    await this.#surviving(() => this.#recall(frame, labels));
    this.#keep(this.#entry(frame, labels));
  }

  /** Whether a frame would join the long-term memory. */
  memorises(index: number): boolean {
    return this.#tracker?.memorises(index) ?? false;
  }

  snapshot(): TrackerSnapshot | undefined {
    const inner = this.#tracker?.snapshot?.();
    if (!inner) return undefined;
    const { height, width } = this.#frame!;
    const frames = new Set([...this.#remembered, ...this.#recent]);
    const kept = [...frames]
      .sort((a, b) => a.index - b.index)
      .map((entry) => ({
        frame: entry.index,
        recent: this.#recent.includes(entry),
        remembered: this.#remembered.includes(entry),
        objects: entry.objects ?? null,
        given: entry.given ? [...entry.given] : null,
        around: entry.around ?? null,
        before: entry.before ?? null,
      }));
    const window = this.#window ?? null;
    const state: VideoState = { height, width, window, windowStays: this.#windowStays, kept, tracker: inner.state };
    return { state, tensors: inner.tensors };
  }

  async restore({ state, tensors }: TrackerSnapshot): Promise<void> {
    this.#check();
    const { height, width, window, windowStays, kept, tracker } = state as VideoState;
    const restored = this.#make({ height, width }, window ?? undefined);
    try {
      if (!restored.restore) throw new TrackerError('snapshot', 'This tracker takes no snapshots.');
      await restored.restore({ state: tracker, tensors });
    } catch (error) {
      restored.dispose();
      throw error;
    }
    this.#tracker?.dispose();
    this.#tracker = restored;
    this.#frame = { height, width };
    this.#window = window ?? undefined;
    this.#windowStays = windowStays;
    this.#remembered = [];
    this.#recent = [];
    this.#wanted = new Map(kept.map((entry) => [entry.frame, entry]));
  }

  recollect(frame: Frame, labels: LabelMap): void {
    const { index } = frame;
    const wanted = this.#wanted.get(index);
    if (!wanted) return;
    this.#wanted.delete(index);
    const { objects, given, recent, remembered, around, before } = wanted;
    const reference = objects === null ? {} : { objects, given: given ? new Set(given) : undefined };
    const placed = { around: around ?? undefined, before: before ?? undefined };
    const entry: Remembered = { ...this.#entry(frame, labels), ...placed, ...reference };
    if (remembered) this.#remembered.push(entry);
    if (recent) this.#follow(entry);
  }

  /** Forgets everything: the next reference starts another video, of any size. */
  restart({ memoryMB = this.options.memoryMB, direction }: RestartOptions = {}): void {
    this.#memoryMB = memoryMB;
    this.#direction = direction;
    this.#tracker?.dispose();
    this.#tracker = undefined;
    this.#remembered = [];
    this.#recent = [];
    this.#wanted.clear();
    this.#frame = undefined;
    this.#window = undefined;
    this.#windowStays = false;
    this.opened.engine.trim();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Frees the engine. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#tracker?.dispose();
    this.model.dispose();
    this.opened.close();
  }

  #disposed = false;

  get #dropsStrays(): boolean {
    const { strays } = this.options;
    return strays === undefined ? this.model.dropsStrays : strays === 'drop';
  }

  /** Whether windows are looked through at all. */
  get #zooms(): boolean {
    const { zooms } = this.model;
    const { zoom } = this.options;
    return zooms !== undefined && (zoom === undefined ? zooms : zoom === 'auto');
  }

  get #references(): Remembered[] {
    return this.#remembered.filter(({ objects }) => objects !== undefined);
  }

  /** The window that reference frames ask for. */
  #windowFor(references: readonly Remembered[]): Size | undefined {
    return windowSize(
      this.#frame!,
      references.flatMap(({ extent }) => extent ?? []),
    );
  }

  /** The window that the next frame is looked at through: the masks of the frame before decide, and the references. */
  #nextWindow(): Size | undefined {
    const references = this.#references;
    const window = this.#windowFor(references);
    const ids = references.at(-1)?.extent?.ids ?? new Set();
    const last = this.#recent.at(-1);
    return window && fitsInto(window, this.#frame!, last?.extent, last?.before, ids) ? window : undefined;
  }

  /** What is seen of a frame; nothing where that is all of it. @param around What the window is placed around. */
  #crop(around: Bounds | undefined): FrameCrop | undefined {
    return this.#window && FrameCrop.around(around, this.#window, this.#frame!);
  }

  /** Changes to the window that a frame is looked at through. @returns what is seen of it */
  async #lookAt(): Promise<FrameCrop | undefined> {
    if (!this.#zooms || !this.#frame) return undefined;
    await this.#lookThrough(this.#nextWindow());
    return this.#crop(this.#recent.at(-1)?.extent?.core);
  }

  /** Makes the tracker one that sees frames through a window, with what it remembers seen in the same way. */
  async #lookThrough(window: Size | undefined): Promise<void> {
    const before = this.#window;
    if (this.#windowStays || (before?.height === window?.height && before?.width === window?.width)) return;
    this.#window = window;
    if (!this.#tracker) return;
    // The frame before is seen again where the next one will be: a jump of the window would look like one of the objects.
    const last = this.#recent.at(-1);
    if (last) last.around = last.extent?.core;
    try {
      await this.#startOver();
    } catch (error) {
      if (!(error instanceof OutOfBudgetError)) throw error;
      this.#windowStays = true;
      this.#window = before;
      await this.#startOver();
    }
  }

  async #refer(tracker: Tracker, entry: Remembered): Promise<void> {
    const { index, rgba, labels, objects, given, around } = entry;
    const crop = this.#crop(around);
    await tracker.addReference(index, pixelsIn(crop, rgba), labelsIn(crop, labels), objects!, given);
  }

  async #recall(frame: Frame, labels: LabelMap): Promise<void> {
    const crop = await this.#lookAt();
    await this.#started.recall(frame.index, pixelsIn(crop, frame.rgba), labelsIn(crop, labels.data));
  }

  #entry({ index, rgba }: Frame, labels: LabelMap): Remembered {
    const extent = this.#zooms ? extentOf(labels) : undefined;
    const before = this.#recent.at(-1)?.extent?.core;
    return { index, rgba, labels: labels.data, extent, before, around: before };
  }

  /** The same map where nothing is dropped. */
  #withoutStrays(labels: LabelMap): LabelMap {
    const before = this.#recent.at(-1);
    if (!before || !this.#dropsStrays) return labels;
    const { width, height } = labels;
    const strays = findStrays({ width, height, data: before.labels }, labels);
    return strays.length > 0 ? withoutPixels(labels, strays) : labels;
  }

  #check(): void {
    if (this.#disposed) throw new TrackingError('disposed', 'this tracker was disposed');
  }

  /** The tracker, once there is something to track. */
  get #started(): Tracker {
    if (this.#tracker) return this.#tracker;
    throw new TrackingError('no-masks', 'nothing is tracked yet: give a frame with masks to `addReference` first');
  }

  #make(whole: Size, window: Size | undefined, longTermGap = this.options.longTermGap): Tracker {
    const { quality, longEdge: given } = this.options;
    const longEdge = quality === 'high' ? enlarged(this.model.longEdge) : given;
    const windowOf = window && zoomOf(whole, window);
    const memory = { memoryMB: this.#memoryMB, longTermGap };
    const options = { ...this.options, ...memory, direction: this.#direction, longEdge, windowOf };
    return this.model.start(window ?? whole, options);
  }

  #start(longTermGap?: number): Tracker {
    this.#tracker = this.#make(this.#frame!, this.#window, longTermGap);
    return this.#tracker;
  }

  /** Keeps the frames that the tracker reads before the next one. */
  #follow(entry: Remembered): void {
    this.#recent = this.#recent.filter(({ index }) => index !== entry.index);
    this.#recent.push(entry);
    if (this.#recent.length > this.recentFrames) this.#recent.shift();
  }

  #keep(entry: Remembered): void {
    this.#follow(entry);
    const held = new Set(this.#tracker!.memorisedFrames.flat().map(({ frame }) => frame));
    this.#remembered = this.#remembered.filter(({ index, objects }) => objects !== undefined || held.has(index));
    if (held.has(entry.index)) this.#remembered.push(entry);
  }

  /** Runs GPU work; after a loss of the device, restores everything and runs it once more. */
  async #surviving<T>(work: () => T | Promise<T>): Promise<T> {
    this.#check();
    try {
      const result = await work();
      return result;
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      await this.#restore();
      this.options.onDeviceLost?.(error.message);
      return await work();
    }
  }

  async #restore(): Promise<void> {
    // It grows as the memory fills up.
    const gap = this.#tracker?.longTermGap;
    // Their buffers are gone with the device; tfjs still counts their tensors.
    this.#tracker?.dispose();
    this.model.dispose();
    this.opened.close();
    this.opened = await openEngine({ ...this.options, engine: this.opened.kind }, HOLDER);
    this.model = await loadTrackingModel({ ...this.options, onProgress: undefined });
    this.#tracker = undefined;
    if (this.#frame) await this.#startOver(gap);
  }

  /** Another tracker that remembers what there is to remember. */
  async #startOver(gap = this.#tracker?.longTermGap): Promise<void> {
    this.#tracker?.dispose();
    this.#tracker = undefined;
    this.opened.engine.trim();
    const tracker = this.#start(gap);
    for (const entry of this.#remembered) {
      if (entry.objects === undefined) await this.#rememberAgain(tracker, entry, true);
      else await this.#refer(tracker, entry);
    }
    const remembered = new Set(this.#remembered);
    for (const entry of this.#recent.slice(-this.model.recentFrames)) {
      if (!remembered.has(entry)) await this.#rememberAgain(tracker, entry, false);
    }
  }

  async #rememberAgain(
    tracker: Tracker,
    { index, rgba, labels, around }: Remembered,
    memorise: boolean,
  ): Promise<void> {
    const crop = this.#crop(around);
    await tracker.recall(index, pixelsIn(crop, rgba), labelsIn(crop, labels), { memorise });
  }
}

const enlarged = (longEdge: number | undefined) => longEdge && Math.ceil(HIGH_QUALITY * longEdge);

const pixelsIn = (crop: FrameCrop | undefined, rgba: Uint8Array): Uint8Array => crop?.pixels(rgba) ?? rgba;

const labelsIn = (crop: FrameCrop | undefined, labels: Uint16Array): Uint16Array => crop?.labels(labels) ?? labels;

const mapOf = ({ width, height }: Frame, crop: FrameCrop | undefined, data: ArrayLike<number>): LabelMap => ({
  width,
  height,
  data: crop?.placed(data) ?? Uint16Array.from(data),
});
