import { copyBlock, type Engine, getEngine, labelDecode, labelUncertainty } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { type ForwardPass, type PassOptions, Replay } from '../nn/replay.js';
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
  type UpdateOptions,
} from '../tracking/index.js';
import { SnapshotWriter, type TrackerSnapshot } from '../tracking/snapshot.js';
import { GROUP_OBJECTS } from './config.js';
import { LOGIT_CHANNELS } from './decoder.js';
import { framesWithin, GroupMemory, type GroupState, type KeyValue, layerBytes } from './memory.js';
import { LongTermSchedule, type MemoryPolicy } from './memory-schedule.js';
import type { DeAot, FrameFeatures } from './model.js';

/** The passes of a tracker. */
const FRAMES = 'frames';

/** Options of `DeAotTracker`. */
export interface TrackerOptions extends TrackingOptions {
  /** Frames between predicted frames that join the long-term memory; the model's own by default. */
  longTermGap?: number | undefined;
  /** What to drop when the memory is full; `sparse` by default. */
  memoryPolicy?: MemoryPolicy | undefined;
  /** Also computes how undecided the labels of each propagated frame are; see `DeAotTracker.certainty`. */
  uncertainty?: boolean | undefined;
  /** Receives intermediate tensors by name, for comparison with other implementations. Must not keep them. */
  onTap?: ((name: string, tensor: Tensor) => void) | undefined;
}

/** What a tracker remembers, beside tensors. */
type DeAotState = {
  readonly layers: number;
  /** Of a frame. */
  readonly tokens: number;
  readonly objects: number;
  /** By group of ten objects. */
  readonly groups: readonly GroupState[];
};

/** What a frame gave. */
interface Found {
  labels: Tensor;
  /** By group, then by layer. */
  keyValues: KeyValue[][];
  /** float32 [h4, w4, 2], if it was asked for. */
  uncertainty?: Tensor;
}

/** The frame that memory can be updated with; what was found belongs to its pass. */
interface CurrentFrame extends Found {
  pass: ForwardPass;
}

/**
 * Tracks objects through the frames of one video: DeAOT's inference engine, for any number of objects in groups of ten
 * that share the encoder (aot-benchmark, `DeAOTInferEngine`).
 *
 *     tracker.addReference(0, pixels, labels, 2);   // frame 0 with its masks
 *     const labels = await tracker.step(1, pixels); // frame 1, 2, ...: masks, and memory updated with them
 *
 * A frame is recorded once and replayed for as long as the memory has the same size, so that its few hundred dispatches cost a
 * few milliseconds of CPU time.
 */
export class DeAotTracker implements Tracker {
  /** Network input size. */
  readonly network: Size;
  /** Objects have the ids 1..objects. */
  objects = 0;

  readonly #engine: Engine;
  readonly #input: FrameInput;
  readonly #labels: Tensor;
  readonly #gap: number;
  readonly #policy: MemoryPolicy;
  readonly #budget: number;
  #groups: GroupMemory[] = [];
  /** Index of the current frame. */
  #frame = 0;
  readonly #replay: Replay;
  #current: CurrentFrame | undefined;

  constructor(
    readonly model: DeAot,
    /** Size of the video's frames. */
    readonly size: Size,
    private readonly options: TrackerOptions = {},
  ) {
    this.#engine = getEngine();
    this.network = networkSize(size.height, size.width, model.config.alignCorners, options.longEdge, options.windowOf);
    this.#input = new FrameInput(this.#engine, size, this.network);
    this.#labels = this.#engine.allocate([size.height, size.width], 'int32');
    this.#gap = options.longTermGap ?? model.config.longTermGap;
    this.#policy = options.memoryPolicy ?? 'sparse';
    this.#budget = (options.memoryMB ?? DEFAULT_MEMORY_MB) * 1e6;
    this.#replay = new Replay({ ops: model.ops, replay: true, shapes: 1, passes: 1, trims: false });
  }

  /** Tokens of a frame. */
  get tokens(): number {
    const { stride, padding, kernel } = this.model.config.idBank;
    const along = (side: number) => Math.floor((side + 2 * padding - kernel) / stride) + 1;
    return along(this.network.height) * along(this.network.width);
  }

  /** Bytes of GPU memory that the remembered frames take. */
  get memoryBytes(): number {
    return this.#groups.reduce((sum, group) => sum + group.bytes, 0);
  }

  /** What is remembered, by group of ten objects. Not to be changed. */
  get memory(): readonly GroupMemory[] {
    return this.#groups;
  }

  /** The frames in each group's long-term memory, by slot. */
  get memorisedFrames(): readonly (readonly RememberedFrame[])[] {
    return this.#groups.map(({ schedule }) =>
      schedule.frames.map(({ frame, reference }) => ({ frame: this.#travelled(frame), reference })),
    );
  }

  /** The longest gap of any group. */
  get longTermGap(): number {
    return this.#groups.reduce((longest, { schedule }) => Math.max(longest, schedule.gap), this.#gap);
  }

  /** Schedules count along the direction of travel: what they call a frame, and the other way round. */
  #travelled(frame: number): number {
    return this.options.direction === 'backward' ? 0 - frame : frame;
  }

  /**
   * Makes a frame with known masks a reference for all objects: it joins the long-term memory for good and becomes the
   * short-term memory. The first one starts the tracker; later ones correct it or add objects.
   *
   * @param frame Its index.
   * @param pixels RGBA bytes of the frame.
   * @param labels Ids of its pixels, 0 is background.
   * @param objects Number of objects; ids are 1..objects. Never less than before.
   * @throws TrackerError for sizes that do not fit; OutOfBudgetError when the memory has no room for it.
   */
  addReference(frame: number, pixels: Uint8Array, labels: ArrayLike<number>, objects: number): void {
    checkObjects(objects);
    const { model } = this;
    const groupCount = Math.ceil(Math.max(objects, this.objects) / GROUP_OBJECTS);
    this.#checkBudget(groupCount);
    this.#input.write(pixels);
    this.#writeLabels(labels);
    this.#frame = frame;
    const position = this.#travelled(frame);
    this.#endFrame();
    this.#replay.forget(FRAMES);
    this.objects = Math.max(objects, this.objects);
    while (this.#groups.length < groupCount) {
      const schedule = new LongTermSchedule(this.#policy, this.#gap, position);
      this.#groups.push(new GroupMemory(model.config.layers, this.tokens, schedule));
    }
    const found = this.#begin('reference', { captured: false }, () => this.#refer());
    for (const [g, group] of this.#groups.entries()) {
      group.remember(found.keyValues[g]!, found.idValues[g]!);
      group.memorise(position, true, this.#maxFrames(groupCount));
      for (const [layer, { long }] of group.layers.entries()) {
        this.#tap(g, `long${layer}.K`, long.keys);
        this.#tap(g, `long${layer}.V`, long.value);
        this.#tap(g, `long${layer}.ID_V`, long.idValue);
      }
    }
    dispose(found.idValues.flat());
    this.#current = { pass: found.pass, labels: this.#labels, keyValues: found.keyValues };
  }

  /** A reference frame: each layer reads from the frame itself. */
  #refer(): { keyValues: KeyValue[][]; idValues: Tensor[][] } {
    const { model } = this;
    const features = this.#encode();
    const idValues: Tensor[][] = [];
    const keyValues = this.#groups.map((_, g) => {
      const idEmbedding = model.embedIds(this.#labels, this.network, g);
      this.#tap(g, 'id_emb', idEmbedding);
      const ids: Tensor[] = [];
      const temporary: Tensor[] = [];
      const { out, keyValues: groupKeyValues } = model.propagate(features, (layer, keyValue) => {
        const idValue = model.idValue(layer, keyValue, idEmbedding);
        const keys = model.ops.transpose(keyValue.key, { padded: true });
        ids.push(idValue);
        temporary.push(keys);
        const { key, value } = keyValue;
        return { long: { keys, value, idValue, tokens: this.tokens }, short: { key, value, idValue } };
      });
      dispose([out, idEmbedding, ...temporary]);
      idValues.push(ids);
      return groupKeyValues;
    });
    disposeFeatures(features);
    return { keyValues, idValues };
  }

  /**
   * Finds the objects in a frame and updates the memory with what it found.
   * @returns Ids of the frame's pixels, row-major.
   */
  async step(frame: number, pixels: Uint8Array): Promise<Int32Array> {
    this.propagate(frame, pixels);
    this.update();
    return this.labels();
  }

  /**
   * Finds the objects in a frame. Memory stays as it is until `update`.
   * @throws TrackerError before the first reference, or when the frame has another size.
   */
  propagate(frame: number, pixels: Uint8Array): void {
    if (this.#groups.length === 0) throw noReference();
    this.#input.write(pixels);
    this.#frame = frame;
    this.#endFrame();
    const statics = `${this.objects}:${this.#groups.map((group) => group.layers[0]!.long.tokens).join()}`;
    const options = { statics, captured: !this.options.onTap };
    this.#current = this.#begin('propagate', options, () => this.#propagate());
  }

  /** Begins the pass of a frame, which goes on until the next one begins. */
  #begin<T>(stage: string, options: PassOptions, work: () => T): T & { pass: ForwardPass } {
    const pass = this.#replay.at(FRAMES).begin(options);
    try {
      return { ...pass.stage(stage, {}, work), pass };
    } catch (error) {
      pass.end();
      throw error;
    }
  }

  /**
   * Ids of the pixels of the current frame.
   * @throws TrackerError `no-frame`, before the first frame
   */
  async labels(): Promise<Int32Array> {
    if (!this.#current) throw noFrame();
    return new Int32Array(await this.#engine.read(this.#current.labels));
  }

  /**
   * How sure each object of a propagated frame is: 1 less the mean normalised entropy of its positions at stride 4 (see
   * `labelUncertainty`). Empty without the option `uncertainty`.
   */
  async certainty(): Promise<ReadonlyMap<number, Certainty>> {
    const pairs = this.#current?.uncertainty && new Float32Array(await this.#engine.read(this.#current.uncertainty));
    const sums = new Map<number, { entropy: number; positions: number }>();
    for (let i = 0; pairs && i < pairs.length; i += 2) {
      const id = pairs[i]!;
      if (id === 0) continue;
      let sum = sums.get(id);
      if (!sum) sums.set(id, (sum = { entropy: 0, positions: 0 }));
      sum.entropy += pairs[i + 1]!;
      sum.positions++;
    }
    return new Map([...sums].map(([id, { entropy, positions }]) => [id, { mean: 1 - entropy / positions, positions }]));
  }

  /**
   * Remembers the current frame, with the labels found by `propagate` or with better ones. May be repeated.
   * @param labels Ids of the frame's pixels, to replace the tracker's own.
   * @param options.memorise Adds the frame to the long-term memory, or keeps it out, whatever the gap says.
   * @throws TrackerError `no-frame`, before the first frame
   */
  update(labels?: ArrayLike<number>, options: UpdateOptions = {}): void {
    if (!this.#current) throw noUpdate();
    if (labels) this.#writeLabels(labels, this.#current.labels);
    const { pass, labels: found, keyValues } = this.#current;
    pass.stage('update', {}, () => this.#updateShortTerm(found, keyValues));
    const position = this.#travelled(this.#frame);
    for (const group of this.#groups) {
      if ((options.memorise ?? group.schedule.due(position)) && this.#hasRoom(group)) {
        group.memorise(position, false, this.#maxFrames(this.#groups.length));
      }
    }
  }

  /**
   * Remembers a frame whose masks are known from earlier, without searching it: for going on with a video in its middle.
   * Frames come in the direction of travel, after the references before them.
   *
   * @param options.memorise Whether it joins the long-term memory; by default as the gap says.
   */
  recall(frame: number, pixels: Uint8Array, labels: ArrayLike<number>, options: UpdateOptions = {}): void {
    this.propagate(frame, pixels);
    this.update(labels, options);
  }

  /** Whether a frame would join the long-term memory. */
  memorises(frame: number): boolean {
    const position = this.#travelled(frame);
    return this.#groups.some((group) => group.schedule.due(position) && this.#hasRoom(group));
  }

  snapshot(): TrackerSnapshot {
    const writer = new SnapshotWriter(this.#engine);
    const groups = this.#groups.map((group, g) => group.snapshot(`group${g}`, writer));
    const state: DeAotState = { layers: this.model.config.layers, tokens: this.tokens, objects: this.objects, groups };
    return { state, tensors: writer.tensors };
  }

  async restore(snapshot: TrackerSnapshot): Promise<void> {
    const { layers, tokens, objects, groups } = snapshot.state as DeAotState;
    if (layers !== this.model.config.layers || tokens !== this.tokens) {
      const own = `${this.model.config.layers} layers and ${this.tokens} tokens a frame`;
      throw new TrackerError('snapshot', `The snapshot has ${layers} layers and ${tokens} tokens a frame, not ${own}.`);
    }
    const most = this.#maxFrames(groups.length);
    const restored: GroupMemory[] = [];
    try {
      for (const [g, state] of groups.entries()) {
        if (state.capacity > most) throw this.#outOfBudget(groups.length, state.capacity);
        const group = new GroupMemory(layers, tokens, LongTermSchedule.restored(this.#policy, state.schedule));
        restored.push(group);
        await group.restore(`group${g}`, snapshot, state);
      }
    } catch (error) {
      for (const group of restored) group.dispose();
      throw error;
    }
    this.#endFrame();
    // What is captured writes to the memory that goes.
    this.#replay.forget(FRAMES);
    for (const group of this.#groups) group.dispose();
    this.#groups = restored;
    this.objects = objects;
  }

  dispose(): void {
    this.#endFrame();
    this.#replay.dispose();
    for (const group of this.#groups) group.dispose();
    this.#groups = [];
    this.#input.dispose();
    this.#labels.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #encode(): FrameFeatures {
    const image = this.#input.image();
    const features = this.model.encode(image);
    image.dispose();
    for (const [i, name] of (['f4', 'f8', 'f16'] as const).entries()) this.#tap(0, `enc${i}`, features[name]);
    this.#tap(0, 'enc3', features.tokens);
    // What follows differs between frames that are searched and references, and from group to group.
    this.#engine.flush();
    return features;
  }

  #propagate(): Found {
    const { model, objects } = this;
    const features = this.#encode();
    const [h4, w4] = features.f4.shape as [number, number];
    const groups = this.#groups.length;
    const stack = groups > 1 ? this.#engine.allocate([groups * h4 * w4, LOGIT_CHANNELS]) : undefined;
    let logits: Tensor | undefined;
    const keyValues = this.#groups.map((group, g) => {
      const { out, keyValues: groupKeyValues } = model.propagate(
        features,
        (layer) => group.layers[layer]!,
        (layer, stream) => this.#tap(g, `lstt${layer}`, stream),
      );
      const decoded = model.decode(out, features);
      this.#tap(g, 'logits4x', decoded);
      out.dispose();
      const rows = reshape(decoded, [h4 * w4, LOGIT_CHANNELS]);
      decoded.dispose();
      if (stack) {
        copyBlock(rows, stack, { row: g * h4 * w4 });
        rows.dispose();
        this.#engine.flush();
      } else logits = rows;
      return groupKeyValues;
    });
    const all = stack ?? logits!;
    const maps = reshape(all, [groups, h4, w4, LOGIT_CHANNELS]);
    const labels = labelDecode(maps, { objects, ...this.size, alignCorners: model.config.alignCorners });
    const uncertainty = this.options.uncertainty ? { uncertainty: labelUncertainty(maps, { objects }) } : {};
    dispose([all, maps]);
    disposeFeatures(features);
    return { labels, keyValues, ...uncertainty };
  }

  #updateShortTerm(labels: Tensor, keyValues: readonly (readonly KeyValue[])[]): void {
    const { model } = this;
    for (const [g, group] of this.#groups.entries()) {
      tidy(() => {
        const idEmbedding = model.embedIds(labels, this.network, g);
        const idValues = keyValues[g]!.map((keyValue, layer) => model.idValue(layer, keyValue, idEmbedding));
        group.remember(keyValues[g]!, idValues);
      });
    }
  }

  /** Long-term frames that the budget allows each group: all groups share it evenly. */
  #maxFrames(groups: number): number {
    return framesWithin(this.#budget / (this.model.config.layers * groups), this.tokens);
  }

  /**
   * Whether a predicted frame can join a group's memory. Where reference frames fill it, there is no room for predicted
   * ones, which is an error only if nothing may ever be left out.
   */
  #hasRoom({ schedule }: GroupMemory): boolean {
    if (schedule.canAdmit(this.#maxFrames(this.#groups.length))) return true;
    if (this.#policy !== 'unbounded') return false;
    throw this.#outOfBudget(this.#groups.length, schedule.frames.length + 1);
  }

  #outOfBudget(groups: number, frames: number): OutOfBudgetError {
    return new OutOfBudgetError(
      layerBytes(this.tokens, frames) * this.model.config.layers * groups,
      this.#budget,
      `Remembering ${frames} frame${frames === 1 ? '' : 's'} of up to ${groups * GROUP_OBJECTS} objects`,
    );
  }

  /** @throws OutOfBudgetError unless every group can take one more reference frame. */
  #checkBudget(groups: number): void {
    const maxFrames = this.#maxFrames(groups);
    if (maxFrames < 1) throw this.#outOfBudget(groups, 1);
    for (const { schedule } of this.#groups) {
      if (!schedule.canAdmit(maxFrames)) throw this.#outOfBudget(groups, schedule.frames.length + 1);
    }
  }

  #writeLabels(labels: ArrayLike<number>, target = this.#labels): void {
    checkLabels(labels, this.size);
    this.#engine.write(
      target,
      labels instanceof Int32Array ? (labels as Int32Array<ArrayBuffer>) : Int32Array.from(labels),
    );
  }

  #tap(group: number, name: string, value: Tensor): void {
    this.options.onTap?.(`frame${this.#frame}.group${group}.${name}`, value);
  }

  /** Frees what the current frame gave. */
  #endFrame(): void {
    this.#current?.pass.end();
    this.#current = undefined;
  }
}

function disposeFeatures({ f4, f8, f16, tokens }: FrameFeatures): void {
  dispose([f4, f8, f16, tokens]);
}
