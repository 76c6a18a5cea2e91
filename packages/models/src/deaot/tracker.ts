import { type Captured, type Engine, getEngine, makeResizePlan, type ResizePlan } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { Tracker } from '../tracker.js';
import { GROUP_OBJECTS, networkSize } from './config.js';
import { LOGIT_CHANNELS } from './decoder.js';
import type { Seed } from './gated-propagation.js';
import { framesWithin, GroupMemory, layerBytes, OutOfBudgetError } from './memory.js';
import type { MemoryPolicy } from './memory-schedule.js';
import type { DeAot, FrameFeatures, Size } from './model.js';

/** Default memory of a tracker, in MB. */
export const DEFAULT_MEMORY_MB = 1024;

/** Options of `DeAotTracker`. */
export interface TrackerOptions {
  /** Longest side of the network's input; larger frames are reduced. 1040 by default. */
  longEdge?: number;
  /** Frames between predicted frames that join the long-term memory; the model's own by default. */
  longTermGap?: number;
  /** What to drop when the memory is full; `sparse` by default. */
  memoryPolicy?: MemoryPolicy;
  /** Most memory that all groups together may take, in MB (10^6 bytes); never exceeded. */
  memoryMB?: number;
  /** Also computes how undecided the labels of each propagated frame are; see `DeAotTracker.uncertainty`. */
  uncertainty?: boolean;
  /** Receives intermediate tensors by name, for comparison with other implementations. Must not keep them. */
  onTap?: (name: string, tensor: Tensor) => void;
}

/** A label map of the frame's size does not fit, or there is nothing to track in it. */
export class TrackerError extends Error {
  override readonly name = 'TrackerError';
  constructor(
    readonly code: 'size' | 'no-reference' | 'no-frame' | 'no-objects',
    message: string,
  ) {
    super(message);
  }
}

interface Propagated {
  labels: Tensor;
  /** By group, then by layer. */
  seeds: Seed[][];
  /** float32 [h4, w4, 2], if it was asked for. */
  uncertainty?: Tensor;
}

/**
 * Tracks objects through the frames of one video: DeAOT's inference engine, for any number of objects in groups of ten
 * that share the encoder (aot-benchmark, `DeAOTInferEngine`).
 *
 *     tracker.addReference(pixels, labels, 2);      // frame 0 with its masks
 *     const labels = await tracker.step(pixels);    // frame 1, 2, ...: masks, and memory updated with them
 *
 * A frame is recorded once and replayed, so that its few hundred dispatches cost a few milliseconds of CPU time.
 */
export class DeAotTracker implements Tracker {
  /** Network input size. */
  readonly network: Size;
  /** Frames seen: 0 after the first reference, one more with every propagated frame. */
  frame = 0;
  /** Objects have the ids 1..objects. */
  objects = 0;

  readonly #engine: Engine;
  readonly #plan: ResizePlan;
  readonly #pixels: Tensor;
  readonly #labels: Tensor;
  readonly #gap: number;
  readonly #policy: MemoryPolicy;
  readonly #budget: number;
  #groups: GroupMemory[] = [];
  #current: Propagated | undefined;
  #graphs: { key: string; propagate: Captured<Propagated>; update?: Captured<void> } | undefined;
  /** An update graph whose propagation graph is gone; its buffers serve the next one. */
  #staleUpdate: Captured<void> | undefined;

  constructor(
    readonly model: DeAot,
    /** Size of the video's frames. */
    readonly size: Size,
    private readonly options: TrackerOptions = {},
  ) {
    this.#engine = getEngine();
    this.network = networkSize(size.height, size.width, model.config.alignCorners, options.longEdge);
    this.#plan = makeResizePlan(size.height, size.width, this.network.height, this.network.width);
    this.#pixels = this.#engine.allocate([size.height, size.width], 'int32');
    this.#labels = this.#engine.allocate([size.height, size.width], 'int32');
    this.#gap = options.longTermGap ?? model.config.longTermGap;
    this.#policy = options.memoryPolicy ?? 'sparse';
    this.#budget = (options.memoryMB ?? DEFAULT_MEMORY_MB) * 1e6;
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
  get memorisedFrames(): readonly (readonly { frame: number; reference: boolean }[])[] {
    return this.#groups.map((group) => group.schedule.frames);
  }

  /**
   * Makes a frame with known masks a reference for all objects: it joins the long-term memory for good and becomes the
   * short-term memory. The first one starts the tracker; later ones correct it or add objects.
   *
   * @param pixels RGBA bytes of the frame.
   * @param labels Ids of its pixels, 0 is background.
   * @param objects Number of objects; ids are 1..objects. Never less than before.
   * @throws TrackerError for sizes that do not fit; OutOfBudgetError when the memory has no room for it.
   */
  addReference(pixels: Uint8Array, labels: ArrayLike<number>, objects: number): void {
    if (objects < 1) throw new TrackerError('no-objects', 'A reference frame needs at least one object.');
    const { model } = this;
    const groupCount = Math.ceil(Math.max(objects, this.objects) / GROUP_OBJECTS);
    this.#checkBudget(groupCount);
    this.#writePixels(pixels);
    this.#writeLabels(labels);
    this.#dropGraphs();
    this.objects = Math.max(objects, this.objects);
    while (this.#groups.length < groupCount) {
      this.#groups.push(new GroupMemory(model.config.layers, this.tokens, this.#policy, this.#gap, this.frame));
    }
    this.#disposeCurrent();
    const features = this.#encode();
    const seeds: Seed[][] = [];
    for (const [g, group] of this.#groups.entries()) {
      const idEmbedding = model.embedIds(this.#labels, this.network, g);
      this.#tap(g, 'id_emb', idEmbedding);
      const idValues: Tensor[] = [];
      // A reference frame reads from itself.
      const temporary: Tensor[] = [];
      const { out, seeds: groupSeeds } = model.propagate(features, (layer, seed) => {
        const idValue = model.idValue(layer, seed, idEmbedding);
        const keys = model.ops.transpose(seed.key, { padded: true });
        idValues.push(idValue);
        temporary.push(keys);
        const { key, value } = seed;
        return { long: { keys, value, idValue, tokens: this.tokens }, short: { key, value, idValue } };
      });
      group.remember(groupSeeds, idValues);
      group.memorise(this.frame, true, this.#maxFrames(groupCount));
      for (const [layer, { long }] of group.layers.entries()) {
        this.#tap(g, `long${layer}.K`, long.keys);
        this.#tap(g, `long${layer}.V`, long.value);
        this.#tap(g, `long${layer}.ID_V`, long.idValue);
      }
      dispose([out, idEmbedding, ...idValues, ...temporary]);
      seeds.push(groupSeeds);
    }
    disposeFeatures(features);
    this.#current = { labels: this.#labels, seeds };
  }

  /**
   * Finds the objects in the next frame and updates the memory with what it found.
   * @returns Ids of the frame's pixels, row-major.
   */
  async step(pixels: Uint8Array): Promise<Int32Array> {
    this.propagate(pixels);
    this.update();
    return this.labels();
  }

  /**
   * Finds the objects in the next frame. Memory stays as it is until `update`.
   * @throws TrackerError before the first reference, or when the frame has another size.
   */
  propagate(pixels: Uint8Array): void {
    if (this.#groups.length === 0) throw new TrackerError('no-reference', 'Add a reference frame before propagating.');
    this.#writePixels(pixels);
    this.frame++;
    if (this.options.onTap || this.model.ops !== this.#engine.ops) {
      this.#disposeCurrent();
      this.#current = this.#propagate();
      return;
    }
    const key = `${this.objects}:${this.#groups.map((group) => group.layers[0]!.long.tokens).join()}`;
    if (this.#graphs?.key === key) {
      this.#graphs.propagate.replay();
    } else {
      this.#disposeCurrent();
      const previous = this.#graphs;
      this.#staleUpdate ??= previous?.update;
      this.#graphs = { key, propagate: this.#engine.capture(() => this.#propagate(), previous?.propagate) };
    }
    this.#current = this.#graphs.propagate.result;
  }

  /**
   * Ids of the pixels of the current frame.
   * @throws TrackerError `no-frame`, before the first frame
   */
  async labels(): Promise<Int32Array> {
    if (!this.#current) throw new TrackerError('no-frame', 'There is no current frame.');
    return new Int32Array(await this.#engine.read(this.#current.labels));
  }

  /**
   * How sure the labels of the propagated frame are, at stride 4: for each position, row by row, its label and the entropy
   * of its probabilities, 0..1 (see `labelUncertainty`). Empty for a reference frame and without the option `uncertainty`.
   */
  async uncertainty(): Promise<Float32Array> {
    const tensor = this.#current?.uncertainty;
    return tensor ? new Float32Array(await this.#engine.read(tensor)) : new Float32Array();
  }

  /**
   * Remembers the current frame, with the labels found by `propagate` or with better ones. May be repeated.
   * @param labels Ids of the frame's pixels, to replace the tracker's own.
   * @param options.memorise Adds the frame to the long-term memory, or keeps it out, whatever the gap says.
   * @throws TrackerError `no-frame`, before the first frame
   */
  update(labels?: ArrayLike<number>, options: { memorise?: boolean } = {}): void {
    if (!this.#current) throw new TrackerError('no-frame', 'Propagate to a frame before updating the memory.');
    if (labels) this.#writeLabels(labels, this.#current.labels);
    const graphs = this.#graphs;
    if (graphs?.propagate.result !== this.#current) {
      this.#updateShortTerm(this.#current);
    } else if (graphs.update) {
      graphs.update.replay();
    } else {
      const current = this.#current;
      graphs.update = this.#engine.capture(() => this.#updateShortTerm(current), this.#staleUpdate);
      this.#staleUpdate = undefined;
    }
    for (const group of this.#groups) {
      if ((options.memorise ?? group.schedule.due(this.frame)) && this.#hasRoom(group)) {
        group.memorise(this.frame, false, this.#maxFrames(this.#groups.length));
      }
    }
  }

  /**
   * Remembers a frame whose masks are known from earlier, without searching it: for going on with a video in its middle.
   * Frames come in ascending order, after the references before them.
   *
   * @param frame Its index; the tracker goes on from there.
   * @param options.memorise Whether it joins the long-term memory; by default as the gap says.
   */
  recall(frame: number, pixels: Uint8Array, labels: ArrayLike<number>, options: { memorise?: boolean } = {}): void {
    this.frame = frame - 1;
    this.propagate(pixels);
    this.update(labels, options);
  }

  /** Whether frame `frame` would join the long-term memory. */
  memorises(frame: number): boolean {
    return this.#groups.some((group) => group.schedule.due(frame) && this.#hasRoom(group));
  }

  dispose(): void {
    this.#dropGraphs();
    this.#disposeCurrent();
    for (const group of this.#groups) group.dispose();
    this.#groups = [];
    dispose([this.#pixels, this.#labels]);
    if (this.#plan.tables) dispose(this.#plan.tables as never);
  }

  #encode(): FrameFeatures {
    const image = this.#engine.frameOps.preprocess(this.#pixels, this.#plan);
    const features = this.model.encode(image);
    image.dispose();
    for (const [i, name] of (['f4', 'f8', 'f16'] as const).entries()) this.#tap(0, `enc${i}`, features[name]);
    this.#tap(0, 'enc3', features.tokens);
    // What follows differs between frames that are searched and references, and from group to group.
    this.#engine.flush();
    return features;
  }

  #propagate(): Propagated {
    const { model, objects } = this;
    const { frameOps } = this.#engine;
    const features = this.#encode();
    const [h4, w4] = features.f4.shape as [number, number];
    const groups = this.#groups.length;
    const stack = groups > 1 ? this.#engine.allocate([groups * h4 * w4, LOGIT_CHANNELS]) : undefined;
    let logits: Tensor | undefined;
    const seeds = this.#groups.map((group, g) => {
      const { out, seeds: groupSeeds } = model.propagate(
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
        frameOps.copyBlock(rows, stack, { row: g * h4 * w4 });
        rows.dispose();
        this.#engine.flush();
      } else logits = rows;
      return groupSeeds;
    });
    const all = stack ?? logits!;
    const maps = reshape(all, [groups, h4, w4, LOGIT_CHANNELS]);
    const labels = frameOps.labelDecode(maps, { objects, ...this.size, alignCorners: model.config.alignCorners });
    const uncertainty = this.options.uncertainty ? { uncertainty: frameOps.labelUncertainty(maps, { objects }) } : {};
    dispose([all, maps]);
    disposeFeatures(features);
    return { labels, seeds, ...uncertainty };
  }

  #updateShortTerm({ labels, seeds }: Propagated): void {
    const { model } = this;
    for (const [g, group] of this.#groups.entries()) {
      tidy(() => {
        const idEmbedding = model.embedIds(labels, this.network, g);
        const idValues = seeds[g]!.map((seed, layer) => model.idValue(layer, seed, idEmbedding));
        group.remember(seeds[g]!, idValues);
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

  #writePixels(pixels: Uint8Array): void {
    const { height, width } = this.size;
    if (pixels.length !== height * width * 4) {
      throw new TrackerError(
        'size',
        `A frame of ${width}x${height} RGBA pixels has ${height * width * 4} bytes, got ${pixels.length}.`,
      );
    }
    const aligned =
      pixels.byteOffset % 4 === 0 && pixels.buffer instanceof ArrayBuffer ? pixels : new Uint8Array(pixels);
    this.#engine.write(this.#pixels, aligned as Uint8Array<ArrayBuffer>);
  }

  #writeLabels(labels: ArrayLike<number>, target = this.#labels): void {
    const { height, width } = this.size;
    if (labels.length !== height * width) {
      throw new TrackerError(
        'size',
        `A label map of ${width}x${height} has ${height * width} pixels, got ${labels.length}.`,
      );
    }
    this.#engine.write(
      target,
      labels instanceof Int32Array ? (labels as Int32Array<ArrayBuffer>) : Int32Array.from(labels),
    );
  }

  #tap(group: number, name: string, value: Tensor): void {
    this.options.onTap?.(`frame${this.frame}.group${group}.${name}`, value);
  }

  /** Frees the current frame's tensors, unless a graph owns them. */
  #disposeCurrent(): void {
    const current = this.#current;
    this.#current = undefined;
    if (!current || current === this.#graphs?.propagate.result) return;
    if (current.labels !== this.#labels) current.labels.dispose();
    current.uncertainty?.dispose();
    dispose(current.seeds as never);
  }

  #dropGraphs(): void {
    if (this.#current === this.#graphs?.propagate.result) this.#current = undefined;
    this.#graphs?.propagate.dispose();
    this.#graphs?.update?.dispose();
    this.#staleUpdate?.dispose();
    this.#staleUpdate = undefined;
    this.#graphs = undefined;
  }
}

function disposeFeatures({ f4, f8, f16, tokens }: FrameFeatures): void {
  dispose([f4, f8, f16, tokens]);
}
