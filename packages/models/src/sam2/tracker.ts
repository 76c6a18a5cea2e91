import { getEngine } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
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
import { SnapshotWriter, type TrackerSnapshot } from '../tracking/snapshot.js';
import { MEMORY_CHANNELS, MEMORY_FRAMES } from './config.js';
import { FrameFeatures } from './frame-features.js';
import { frameInput } from './frame-input.js';
import { FILLED_HOLE_AREA, type FloatMap, fillHoles, resizeMap, resizeMapAntialiased } from './mask-arithmetic.js';
import { type ObjectOutput, type Sam2Model, STABILITY_FALLBACK } from './model.js';
import {
  disposeContext,
  MEMORY_READING,
  type MemoryKind,
  type MemoryRead,
  type MemoryReading,
  memoryContext,
  NOT_SHOWN,
  ObjectMemory,
  type ObjectMemoryState,
} from './object-memory.js';
import { isAmbiguous, maskPrompt, promptPoints, terminated } from './prompt-points.js';

/** Options of `Sam2Tracker`. */
export interface Sam2TrackerOptions extends Partial<MemoryReading>, Omit<TrackingOptions, 'longEdge' | 'windowOf'> {}

/** Float32 values. */
const FLOAT_BYTES = 4;

/** Memories that an object needs at least: a conditioning one, and the last frame's. */
const LEAST_MEMORIES = 2;

/** What a tracker remembers, beside tensors. */
type Sam2State = { readonly side: number; readonly objects: readonly ObjectMemoryState[] };

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
  /** Objects that nobody looked for in it. */
  unseen: Set<number>;
}

/** A frame in which all objects were looked for, and none shown. */
const NOBODY = (): Pick<Current, 'prompted' | 'unseen'> => ({ prompted: new Set(), unseen: new Set() });

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

  get #ids(): number[] {
    return this.#objects.map((_, i) => i + 1);
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
   * Makes a frame a conditioning one for the objects whose masks were given; others are left as they are.
   * @param given Without it: the objects in the frame or, where it has just been searched, those whose masks are others than found.
   * @throws TrackerError for sizes that do not fit; OutOfBudgetError when the memory has no room for it.
   */
  async addReference(
    frame: number,
    pixels: Uint8Array,
    labels: ArrayLike<number>,
    objects: number,
    given?: ReadonlySet<number>,
  ): Promise<void> {
    checkObjects(objects);
    checkLabels(labels, this.size);
    checkPixels(pixels, this.size);
    const count = Math.max(objects, this.objects);
    this.#makeRoom(count, true);
    const found = this.#current?.features.frame === frame && !this.#current.reference ? this.#current : undefined;
    const conditioned = given ?? (found ? this.#changed(labels, found.labels, count) : idsIn(labels, count));
    const features = found?.features ?? this.#see(frame, pixels);
    const adopted = await this.#adopt(features, labels, conditioned);
    while (this.#objects.length < count) this.#objects.push(new ObjectMemory());
    const outputs = this.#objects.map((_, i) => adopted.get(i + 1) ?? found?.outputs[i] ?? this.#absent());
    const unseen = new Set(found ? [] : this.#ids.filter((id) => !adopted.has(id)));
    this.#stand({ features, outputs, labels: Int32Array.from(labels), reference: true, prompted: new Set(), unseen });
    for (const [i, output] of outputs.entries()) {
      if (conditioned.has(i + 1)) this.#remember(i, output, 'conditioning');
      else if (found) this.#remember(i, output, 'tracked');
    }
  }

  async step(frame: number, pixels: Uint8Array): Promise<Int32Array> {
    await this.propagate(frame, pixels);
    await this.update();
    return this.labels();
  }

  /**
   * Finds the objects in a frame. Memory stays as it is until `update`.
   * @throws TrackerError before the first reference, or when the frame has another size.
   */
  async propagate(frame: number, pixels: Uint8Array): Promise<void> {
    if (this.objects === 0) throw noReference();
    const features = this.#see(frame, pixels);
    const outputs = this.#objects.map(() => this.#absent());
    for (const [id, output] of await this.#search(features, frame, this.#ids)) outputs[id - 1] = output;
    this.#stand({ features, outputs, labels: this.#labelsOf(outputs), reference: false, ...NOBODY() });
  }

  /** Each object attends to its own memory, several in a pass. @returns what is found, of those that have one, by id */
  async #search(features: FrameFeatures, frame: number, ids: Iterable<number>): Promise<Map<number, ObjectOutput>> {
    const { model } = this;
    const outputs = new Map<number, ObjectOutput>();
    const readings = [...ids].flatMap((id) => {
      const reading = this.#read(this.#objects[id - 1]!, frame);
      return reading.frames.length > 0 ? [{ id, reading }] : [];
    });
    const size = Math.min(model.attendingAPass, model.objectsAPass);
    for (let first = 0; first < readings.length; first += size) {
      const batch = readings.slice(first, first + size);
      const seen = this.#attend(
        features,
        batch.map(({ reading }) => reading),
      );
      try {
        const found = await model.segmentObjects(seen, features.image, { multimask: true });
        for (const [i, { id }] of batch.entries()) outputs.set(id, found[i]!);
      } finally {
        seen.dispose();
      }
    }
    return outputs;
  }

  /** What a frame attends to of an object's memory. */
  #read(memory: ObjectMemory, frame: number): MemoryRead {
    return memory.read(frame, this.#backward, Number.POSITIVE_INFINITY, this.#reading);
  }

  /** Features that memories were attended from. */
  #attend(features: FrameFeatures, readings: readonly MemoryRead[]): Tensor {
    const { model } = this;
    const contexts = readings.map((reading) => memoryContext(model, reading));
    try {
      return model.withMemory(features.attention, contexts);
    } finally {
      for (const context of contexts) disposeContext(context);
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
    const isNew = object > this.objects;
    if (isNew) this.#makeRoom(object, true);
    if (this.#current?.features.frame !== frame) {
      if (this.objects > 0) await this.propagate(frame, pixels);
      else {
        const features = this.#see(frame, pixels);
        this.#stand({ features, outputs: [], labels: new Int32Array(), reference: false, ...NOBODY() });
      }
    }
    const current = this.#current!;
    for (const [id, output] of await this.#search(current.features, frame, current.unseen)) {
      current.outputs[id - 1] = output;
    }
    current.unseen.clear();
    if (isNew) this.#objects.push(new ObjectMemory());
    const memory = this.#objects[object - 1]!;
    const { features } = current;
    const reading = this.#read(memory, frame);
    const attended =
      reading.frames.length > 0 ? this.#attend(features, [reading]) : model.withoutMemory(features.image.features);
    // Of an object that was never shown there is no earlier mask, not an empty one.
    const known = memory.conditioning.size > 0 || current.prompted.has(object);
    const earlier = known ? current.outputs[object - 1] : undefined;
    const mask = earlier && maskPrompt(this.#filled(earlier), model.lowRes);
    try {
      const output = await model.segment(attended, features.image, model.embedPoints(terminated(points)), {
        multimask: isAmbiguous(points),
        fallback: STABILITY_FALLBACK,
        ...(mask ? { mask } : {}),
      });
      current.outputs[object - 1] = this.#filled(output);
    } finally {
      attended.dispose();
      mask?.dispose();
    }
    current.prompted.add(object);
    current.labels = this.#labelsOf(current.outputs);
    return current.labels;
  }

  /** What is found of an object that nothing is remembered of. */
  #absent(): ObjectOutput {
    return this.model.absentObject();
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
      const changed = this.#changed(labels, current.labels, this.objects);
      for (const [id, output] of await this.#adopt(current.features, labels, changed)) {
        current.outputs[id - 1] = output;
        current.unseen.delete(id);
        // A frame that conditions an object goes on doing so.
        if (this.#objects[id - 1]!.conditioning.has(current.features.frame)) current.prompted.add(id);
      }
      current.labels = Int32Array.from(labels);
    }
    const { outputs, prompted, unseen } = current;
    this.#makeRoom(this.objects, prompted.size > 0);
    for (const [i, output] of outputs.entries()) {
      if (!unseen.has(i + 1)) this.#remember(i, output, prompted.has(i + 1) ? 'conditioning' : 'tracked');
    }
  }

  async recall(frame: number, pixels: Uint8Array, labels: ArrayLike<number>): Promise<void> {
    checkLabels(labels, this.size);
    const features = this.#see(frame, pixels);
    const adopted = await this.#adopt(features, labels, idsIn(labels, this.objects));
    const outputs = this.#objects.map((_, i) => adopted.get(i + 1) ?? this.#absent());
    this.#stand({ features, outputs, labels: Int32Array.from(labels), reference: false, ...NOBODY() });
    this.#makeRoom(this.objects, false);
    for (const [i, output] of outputs.entries()) this.#remember(i, output, 'tracked');
  }

  snapshot(): TrackerSnapshot {
    const writer = new SnapshotWriter(getEngine());
    const objects = this.#objects.map((memory, i) => memory.snapshot(`object${i + 1}`, writer));
    const state: Sam2State = { side: this.model.side, objects };
    return { state, tensors: writer.tensors };
  }

  async restore(snapshot: TrackerSnapshot): Promise<void> {
    const { side } = this.model;
    const state = snapshot.state as Sam2State;
    if (state.side !== side) {
      throw new TrackerError('snapshot', `The snapshot has ${state.side} positions a side of a frame, not ${side}.`);
    }
    const held = (kept: ObjectMemoryState) => [...kept.conditioning, ...kept.tracked].filter((one) => one.hasMemory);
    const most = Math.max(0, ...state.objects.map((kept) => held(kept).length));
    if (most > this.#memoriesWithin(state.objects.length)) throw this.#outOfBudget(state.objects.length, most);
    const restored: ObjectMemory[] = [];
    try {
      for (const [i, kept] of state.objects.entries()) {
        restored.push(await ObjectMemory.restored(`object${i + 1}`, snapshot, kept, side ** 2));
      }
    } catch (error) {
      for (const memory of restored) memory.dispose();
      throw error;
    }
    this.dispose();
    this.#objects.push(...restored);
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

  [Symbol.dispose](): void {
    this.dispose();
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

  #stand(current: Current): void {
    if (this.#current?.features !== current.features) this.#current?.features.dispose();
    this.#current = current;
  }

  /** Given masks of some objects as the network's own output, by id. */
  async #adopt(
    features: FrameFeatures,
    labels: ArrayLike<number>,
    ids: Iterable<number>,
  ): Promise<Map<number, ObjectOutput>> {
    const { imageSize } = this.model;
    const outputs = new Map<number, ObjectOutput>();
    for (const id of ids) {
      const mask = resizeMapAntialiased(this.#maskOf(labels, id), imageSize, imageSize);
      const binary = { ...mask, data: mask.data.map((value) => (value >= 0.5 ? 1 : 0)) };
      outputs.set(id, this.#filled(await this.model.adoptMask(features.image, binary)));
    }
    return outputs;
  }

  /** With small holes filled, as it is shown, and remembered where it was prompted (sam2, `fill_hole_area`). */
  #filled(output: ObjectOutput): ObjectOutput {
    const side = this.model.lowRes;
    const { data } = fillHoles({ height: side, width: side, data: output.lowRes }, FILLED_HOLE_AREA);
    return { ...output, lowRes: data };
  }

  #maskOf(labels: ArrayLike<number>, id: number): FloatMap {
    return { ...this.size, data: Float32Array.from(labels, (label) => (label === id ? 1 : 0)) };
  }

  /** Objects whose masks differ, new ones among them. */
  #changed(labels: ArrayLike<number>, found: ArrayLike<number>, objects: number): Set<number> {
    const ids = new Set<number>();
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] === found[i]) continue;
      for (const id of [labels[i]!, found[i]!]) if (id > 0 && id <= objects) ids.add(id);
    }
    return ids;
  }

  /** Remembers an object as it is in the current frame. */
  #remember(object: number, output: ObjectOutput, kind: MemoryKind): void {
    const memory = this.#objects[object]!;
    const { features } = this.#current!;
    // An object that was never shown is not looked for, and what was shown of one counts for more than what is found.
    const { conditioning } = memory;
    if (kind === 'tracked' && (conditioning.size === 0 || conditioning.has(features.frame))) return;
    // What was given is cut into 0 and 1.
    const made = this.model.memorise(features.memory, output, kind === 'conditioning');
    const entry = { ...NOT_SHOWN, pointer: output.pointer, memory: made };
    memory.set(kind, features.frame, entry);
    if (kind === 'conditioning') memory.delete('tracked', features.frame);
    memory.forgetBefore(features.frame + (this.#backward ? -1 : 1), this.#backward, this.#reading);
  }

  /** Bytes of one memory. */
  get #memorySize(): number {
    return this.model.side ** 2 * MEMORY_CHANNELS * FLOAT_BYTES;
  }

  /** Memories of one object that the budget allows. */
  #memoriesWithin(objects: number): number {
    return Math.floor(this.#budget / this.#memorySize / objects);
  }

  #outOfBudget(objects: number, memories: number): OutOfBudgetError {
    const what = `Remembering ${memories} frames of ${objects} object${objects === 1 ? '' : 's'}`;
    return new OutOfBudgetError(memories * this.#memorySize * objects, this.#budget, what);
  }

  /**
   * Forgets memories until another one fits: conditioning frames but the first and the last, then recent frames, oldest first.
   * @throws OutOfBudgetError when not even the least fits.
   */
  #makeRoom(objects: number, reference: boolean): void {
    const most = this.#memoriesWithin(objects);
    if (most < LEAST_MEMORIES) throw this.#outOfBudget(objects, LEAST_MEMORIES);
    for (const memory of this.#objects) {
      const held = () => memory.conditioning.size + [...memory.tracked.values()].filter((entry) => entry.memory).length;
      while (held() + 1 > most) {
        const references = [...memory.conditioning.keys()].sort((a, b) => a - b);
        const middle = references[1];
        const followed = [...memory.tracked].filter(([, entry]) => entry.memory).map(([frame]) => frame);
        const oldest =
          followed.length > 0 ? (this.#backward ? Math.max(...followed) : Math.min(...followed)) : undefined;
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
      const { data } = resizeMap({ height: lowRes, width: lowRes, data: this.#filled(output).lowRes }, height, width);
      for (let pixel = 0; pixel < data.length; pixel++) {
        if (data[pixel]! <= strongest[pixel]!) continue;
        strongest[pixel] = data[pixel]!;
        labels[pixel] = i + 1;
      }
    }
    return labels;
  }
}

/** Ids from 1 to `objects` that have pixels. */
function idsIn(labels: ArrayLike<number>, objects: number): Set<number> {
  const ids = new Set<number>();
  for (let i = 0; i < labels.length; i++) if (labels[i]! > 0 && labels[i]! <= objects) ids.add(labels[i]!);
  return ids;
}
