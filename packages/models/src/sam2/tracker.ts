import {
  checkObjects,
  DEFAULT_MEMORY_MB,
  noFrame,
  noReference,
  noUpdate,
  OutOfBudgetError,
  TrackerError,
} from '../tracking/errors.js';
import { checkLabels, checkPixels } from '../tracking/frame-input.js';
import type { Certainty, ObjectPrompt, RememberedFrame, Size, Tracker, TrackingOptions } from '../tracking/index.js';
import { MEMORY_CHANNELS, MEMORY_FRAMES } from './config.js';
import { FrameFeatures } from './frame-features.js';
import { frameInput } from './frame-input.js';
import { type FloatMap, resizeMap, resizeMapAntialiased } from './mask-arithmetic.js';
import type { MemoryContext } from './memory-attention.js';
import { NO_POINTS, type ObjectOutput, type Sam2Model, STABILITY_FALLBACK } from './model.js';
import { disposeContext, MEMORY_READING, type MemoryReading, memoryContext, ObjectMemory } from './object-memory.js';
import { isAmbiguous, maskPrompt, promptPoints, terminated } from './prompt-points.js';

/** Options of `Sam2Tracker`. */
export interface Sam2TrackerOptions extends Partial<MemoryReading>, Omit<TrackingOptions, 'longEdge'> {}

/** Float32 values. */
const FLOAT_BYTES = 4;

/** Memories that an object needs at least: a conditioning one, and the last frame's. */
const LEAST_MEMORIES = 2;

/** A frame that was searched. */
interface Current {
  features: FrameFeatures;
  /** By object. */
  outputs: ObjectOutput[];
  labels: Int32Array;
  /** Whether its masks were given. */
  reference: boolean;
  /** Objects that were shown in it: it conditions them. */
  prompted: Set<number>;
}

/**
 * Tracks objects through the frames of one video with SAM 2.1, each with a memory of its own: frames with given masks
 * condition it, and recent frames keep it up to date. What no later frame reads is forgotten, so that memory is flat over any length
 * of video. Frames come in the direction of travel.
 */
export class Sam2Tracker implements Tracker {
  readonly network: Size;
  readonly #objects: ObjectMemory[] = [];
  readonly #reading: MemoryReading;
  readonly #budget: number;
  readonly #backward: boolean;
  #current: Current | undefined;

  constructor(
    readonly model: Sam2Model,
    /** Size of the video's frames. */
    readonly size: Size,
    options: Sam2TrackerOptions = {},
  ) {
    const { imageSize } = model;
    this.network = { height: imageSize, width: imageSize };
    this.#reading = {
      maxConditioningFrames: options.maxConditioningFrames ?? MEMORY_READING.maxConditioningFrames,
      maxPointers: options.maxPointers ?? MEMORY_READING.maxPointers,
      memoryStride: options.memoryStride ?? MEMORY_READING.memoryStride,
    };
    this.#backward = options.direction === 'backward';
    this.#budget = (options.memoryMB ?? DEFAULT_MEMORY_MB) * 1e6;
  }

  get objects(): number {
    return this.#objects.length;
  }

  get memoryBytes(): number {
    return this.#objects.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get memorisedFrames(): readonly (readonly RememberedFrame[])[] {
    return this.#objects.map(({ conditioning }) =>
      [...conditioning.keys()].map((frame) => ({ frame, reference: true })),
    );
  }

  /** Logits of each object's being there in the current frame: above 0 it is. */
  get scores(): readonly number[] {
    return this.#current?.outputs.map(({ score }) => score) ?? [];
  }

  /**
   * Makes a frame with known masks a conditioning one for the objects in it, and for those that were there before.
   * @throws TrackerError for sizes that do not fit; OutOfBudgetError when the memory has no room for it.
   */
  async addReference(frame: number, pixels: Uint8Array, labels: ArrayLike<number>, objects: number): Promise<void> {
    checkObjects(objects);
    checkLabels(labels, this.size);
    const count = Math.max(objects, this.objects);
    this.#makeRoom(count, true);
    const features = this.#see(frame, pixels);
    const outputs = await this.#adopt(features, labels, count);
    while (this.#objects.length < count) this.#objects.push(new ObjectMemory());
    this.#stand(features, outputs, Int32Array.from(labels), true);
    this.#remember(outputs, true);
  }

  async step(frame: number, pixels: Uint8Array): Promise<Int32Array> {
    await this.propagate(frame, pixels);
    this.#remember(this.#current!.outputs, false);
    return this.labels();
  }

  /**
   * Finds the objects in a frame. Memory stays as it is until `update`.
   * @throws TrackerError before the first reference, or when the frame has another size.
   */
  async propagate(frame: number, pixels: Uint8Array): Promise<void> {
    if (this.objects === 0) throw noReference();
    const features = this.#see(frame, pixels);
    const outputs: ObjectOutput[] = [];
    for (const memory of this.#objects) outputs.push(await this.#search(features, memory, frame));
    this.#stand(features, outputs, this.#labelsOf(outputs), false);
  }

  async #search(features: FrameFeatures, memory: ObjectMemory, frame: number): Promise<ObjectOutput> {
    const { model } = this;
    const context = this.#context(memory, frame);
    const seen = model.withMemory(features.attention, context);
    try {
      return await model.segment(seen, features.image, model.embedPoints(NO_POINTS), { multimask: true });
    } finally {
      seen.dispose();
      disposeContext(context);
    }
  }

  /**
   * Shows an object on a frame, any one, by points or a box. What the network sees of it beside them is the object's memory, and
   * its mask in that frame, if it has some. The other objects are where they are found.
   * @param object One that there is, or the next one.
   * @returns ids of the frame's pixels
   * @throws TrackerError, Sam2Error `prompt`; OutOfBudgetError where there is no room for a new object
   */
  async prompt(frame: number, pixels: Uint8Array, object: number, shown: ObjectPrompt): Promise<Int32Array> {
    const { model } = this;
    const points = promptPoints(shown, this.size, model.imageSize);
    if (!(object >= 1 && object <= this.objects + 1)) {
      throw new TrackerError('no-objects', `There is no object ${object}; the next one is ${this.objects + 1}.`);
    }
    const seen = this.#current?.features.frame === frame;
    if (!seen && this.objects > 0) await this.propagate(frame, pixels);
    if (!seen && this.objects === 0) this.#stand(this.#see(frame, pixels), [], new Int32Array(), false);
    const current = this.#current!;
    if (object > this.objects) {
      this.#makeRoom(object, true);
      this.#objects.push(new ObjectMemory());
    }
    const memory = this.#objects[object - 1]!;
    const { features } = current;
    const context = memory.conditioning.size > 0 ? this.#context(memory, frame) : undefined;
    const attended = context
      ? model.withMemory(features.attention, context)
      : model.withoutMemory(features.image.features);
    const earlier = current.outputs[object - 1];
    const mask = earlier && maskPrompt(earlier, model.lowRes);
    try {
      current.outputs[object - 1] = await model.segment(
        attended,
        features.image,
        model.embedPoints(terminated(points)),
        { multimask: isAmbiguous(points), fallback: STABILITY_FALLBACK, ...(mask ? { mask } : {}) },
      );
    } finally {
      attended.dispose();
      mask?.dispose();
      if (context) disposeContext(context);
    }
    current.prompted.add(object);
    current.labels = this.#labelsOf(current.outputs);
    return current.labels;
  }

  #context(memory: ObjectMemory, frame: number): MemoryContext {
    return memoryContext(this.model, memory.read(frame, this.#backward, Number.POSITIVE_INFINITY, this.#reading));
  }

  /** @throws TrackerError `no-frame`, before the first frame */
  async labels(): Promise<Int32Array> {
    if (!this.#current) throw noFrame();
    return this.#current.labels;
  }

  /** How probable it is that each object is there, from its score. Empty for a reference frame. */
  async certainty(): Promise<ReadonlyMap<number, Certainty>> {
    if (!this.#current || this.#current.reference) return new Map();
    return new Map(this.scores.map((score, i) => [i + 1, { mean: 1 / (1 + Math.exp(-score)), positions: 1 }]));
  }

  /**
   * Remembers the current frame, with the masks found by `propagate` or with better ones.
   * @throws TrackerError
   */
  async update(labels?: ArrayLike<number>): Promise<void> {
    const current = this.#current;
    if (!current) throw noUpdate();
    if (labels) {
      checkLabels(labels, this.size);
      const changed = this.#changed(labels, current.labels);
      const given = changed.size > 0 ? await this.#adopt(current.features, labels, this.objects, changed) : [];
      for (const id of changed) current.outputs[id - 1] = given[id - 1]!;
      current.labels = Int32Array.from(labels);
    }
    this.#remember(current.outputs, false);
  }

  async recall(frame: number, pixels: Uint8Array, labels: ArrayLike<number>): Promise<void> {
    checkLabels(labels, this.size);
    const features = this.#see(frame, pixels);
    const outputs = await this.#adopt(features, labels, this.objects);
    this.#stand(features, outputs, Int32Array.from(labels), false);
    this.#remember(outputs, false);
  }

  /** Only frames with given masks are remembered for longer. */
  memorises(): boolean {
    return false;
  }

  dispose(): void {
    this.#current?.features.dispose();
    this.#current = undefined;
    for (const memory of this.#objects.splice(0)) memory.dispose();
  }

  /** Image features of a frame. */
  #see(frame: number, pixels: Uint8Array): FrameFeatures {
    checkPixels(pixels, this.size);
    const { height, width } = this.size;
    const input = frameInput({ height, width, data: pixels }, this.model.imageSize);
    try {
      return new FrameFeatures(this.model, frame, input);
    } finally {
      input.dispose();
    }
  }

  #stand(features: FrameFeatures, outputs: ObjectOutput[], labels: Int32Array, reference: boolean): void {
    this.#current?.features.dispose();
    this.#current = { features, outputs, labels, reference, prompted: new Set() };
  }

  /** Given masks as the network's own output. @param only ids of the objects, all by default */
  async #adopt(
    features: FrameFeatures,
    labels: ArrayLike<number>,
    count: number,
    only?: ReadonlySet<number>,
  ): Promise<ObjectOutput[]> {
    const { imageSize } = this.model;
    const outputs: ObjectOutput[] = [];
    for (let id = 1; id <= count; id++) {
      if (only && !only.has(id)) continue;
      const mask = resizeMapAntialiased(this.#maskOf(labels, id), imageSize, imageSize);
      const binary = { ...mask, data: mask.data.map((value) => (value >= 0.5 ? 1 : 0)) };
      outputs[id - 1] = await this.model.adoptMask(features.image, binary);
    }
    return outputs;
  }

  #maskOf(labels: ArrayLike<number>, id: number): FloatMap {
    return { ...this.size, data: Float32Array.from(labels, (label) => (label === id ? 1 : 0)) };
  }

  /** Objects whose masks differ. */
  #changed(a: ArrayLike<number>, b: ArrayLike<number>): Set<number> {
    const ids = new Set<number>();
    for (let i = 0; i < a.length; i++) {
      if (a[i] === b[i]) continue;
      for (const id of [a[i]!, b[i]!]) if (id > 0 && id <= this.objects) ids.add(id);
    }
    return ids;
  }

  /** Remembers the current frame. */
  #remember(outputs: readonly ObjectOutput[], reference: boolean): void {
    const { features, prompted } = this.#current!;
    this.#makeRoom(this.objects, reference || prompted.size > 0);
    for (const [i, memory] of this.#objects.entries()) {
      const output = outputs[i]!;
      const conditions = reference || prompted.has(i + 1);
      // What was given or shown is cut into 0 and 1.
      const entry = { ...output, memory: this.model.memorise(features.memory, output, conditions) };
      memory.set(conditions ? 'conditioning' : 'tracked', features.frame, entry);
      if (conditions) memory.delete('tracked', features.frame);
      memory.forgetBefore(features.frame + (this.#backward ? -1 : 1), this.#backward, this.#reading);
    }
  }

  /** Memories of one object that the budget allows. */
  #memoriesWithin(objects: number): number {
    const bytes = this.model.side ** 2 * MEMORY_CHANNELS * FLOAT_BYTES;
    return Math.floor(this.#budget / bytes / objects);
  }

  /**
   * Forgets memories until another one fits: conditioning frames but the first and the last, then recent frames, oldest first.
   * @throws OutOfBudgetError when not even the least fits.
   */
  #makeRoom(objects: number, reference: boolean): void {
    const most = this.#memoriesWithin(objects);
    if (most < LEAST_MEMORIES) {
      const bytes = this.model.side ** 2 * MEMORY_CHANNELS * FLOAT_BYTES;
      throw new OutOfBudgetError(
        LEAST_MEMORIES * bytes * objects,
        this.#budget,
        `Remembering ${LEAST_MEMORIES} frames of ${objects} object${objects === 1 ? '' : 's'}`,
      );
    }
    for (const memory of this.#objects) {
      const held = () => memory.conditioning.size + [...memory.tracked.values()].filter((entry) => entry.memory).length;
      while (held() + 1 > most) {
        const references = [...memory.conditioning.keys()].sort((a, b) => a - b);
        const middle = references[1];
        const oldest = [...memory.tracked].find(([, entry]) => entry.memory)?.[0];
        if (references.length > Math.max(2, most - (MEMORY_FRAMES - 1)) && middle !== undefined) {
          memory.delete('conditioning', middle);
        } else if (oldest !== undefined) memory.delete('tracked', oldest);
        else if (references.length > 1 || reference) memory.delete('conditioning', references.at(reference ? 0 : 1)!);
        else break;
      }
    }
  }

  /** The strongest object at each pixel, where its logit is above 0. */
  #labelsOf(outputs: readonly ObjectOutput[]): Int32Array {
    const { height, width } = this.size;
    const { lowRes } = this.model;
    const labels = new Int32Array(height * width);
    const strongest = new Float32Array(height * width);
    for (const [i, output] of outputs.entries()) {
      if (output.score <= 0) continue;
      const { data } = resizeMap({ height: lowRes, width: lowRes, data: output.lowRes }, height, width);
      for (let pixel = 0; pixel < data.length; pixel++) {
        if (data[pixel]! <= strongest[pixel]!) continue;
        strongest[pixel] = data[pixel]!;
        labels[pixel] = i + 1;
      }
    }
    return labels;
  }
}
