import { getEngine } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { ImageSize } from '../sam/transforms.js';
import type { ObjectPrompt } from '../tracking/index.js';
import { Sam2Error } from './error.js';
import { FrameFeatures } from './frame-features.js';
import type { ImageFeatures } from './image-encoder.js';
import { FILLED_HOLE_AREA, fillHoles, resizeMap, resizeMapAntialiased } from './mask-arithmetic.js';
import type { MemoryContext } from './memory-attention.js';
import {
  ABSENT_LOGIT,
  type FramePoints,
  NO_POINTS,
  type ObjectOutput,
  type RawOutput,
  type Sam2Model,
  STABILITY_FALLBACK,
  type StabilityFallback,
} from './model.js';
import {
  disposeContext,
  MEMORY_READING,
  type MemoryKind,
  type MemoryReading,
  memoryContext,
  ObjectMemory,
  type Remembered,
} from './object-memory.js';
import { isAmbiguous, maskPrompt, promptPoints, terminated } from './prompt-points.js';

/** The video that an engine works on. */
export interface Sam2Video extends ImageSize {
  /** Number of frames. */
  readonly frames: number;
  /** Network input of a frame, float32 [imageSize, imageSize, 4]; the engine disposes it. */
  input(frame: number): Promise<Tensor>;
}

/** How an engine differs from the published one. */
export interface Sam2EngineOptions extends Partial<MemoryReading> {
  /** Cuts prompted masks into 0 and 1 before they are remembered (sam2, `binarize_mask_from_pts_for_mem_enc`). True by default. */
  binaryPrompts?: boolean | undefined;
  /** Area of holes that are filled, in pixels of the low resolution; 8 by default (sam2, `fill_hole_area`). */
  fillHoleArea?: number | undefined;
  /** Whether a pixel belongs to one object at most (sam2, `non_overlap_masks`). False by default. */
  nonOverlap?: boolean | undefined;
  /**
   * Makes every prompted frame a conditioning one (sam2, `add_all_frames_to_correct_as_cond`). True by default: without it, a
   * correction is lost when the next propagation passes its frame, as in the published engine.
   */
  conditionOnCorrections?: boolean | undefined;
  /** When a single mask gives way to the best of three; `false` for never. As published by default. */
  fallback?: StabilityFallback | false | undefined;
  /** What memories are rounded to; float32 by default, bfloat16 as published. */
  memoryPrecision?: 'float32' | 'bfloat16' | undefined;
}

/** Points and a box, in pixels of the video. */
export interface VideoPrompt extends ObjectPrompt {
  /** Adds to the points that the frame has; false by default. */
  append?: boolean | undefined;
}

/** Masks of all objects on a frame. */
export interface Sam2Frame {
  frame: number;
  objects: readonly number[];
  /** Logits at the video's size, an object after the other. */
  logits: readonly Float32Array[];
  /** Logits of each object's being there; missing where it was not searched. */
  scores: readonly (number | undefined)[];
}

/** Sees what the network computes, for comparison with other implementations; it may not keep tensors. */
export type Sam2Tap = (name: string, value: Tensor | Float32Array | readonly number[]) => void;

class TrackedObject {
  readonly memory = new ObjectMemory();
  /** Prompted since the last propagation. */
  readonly pending = { conditioning: new Map<number, Remembered>(), tracked: new Map<number, Remembered>() };
  readonly points = new Map<number, FramePoints>();
  readonly masks = new Set<number>();
  /** Frames that were passed, and whether backward. */
  readonly passed = new Map<number, boolean>();

  /** The mask of a frame, with prompts that were not propagated yet. */
  shown(frame: number): Remembered | undefined {
    const { pending, memory } = this;
    return (
      pending.conditioning.get(frame) ??
      pending.tracked.get(frame) ??
      memory.get('conditioning', frame) ??
      memory.get('tracked', frame)
    );
  }
}

/**
 * Video engine of SAM 2.1 (sam2, `sam2_video_predictor.py`): prompts on any frame, then propagation in either direction with a
 * memory of prompted and recent frames. Objects are independent of each other and share the image features.
 */
export class Sam2VideoEngine {
  readonly #objects = new Map<number, TrackedObject>();
  readonly #options: Required<Omit<Sam2EngineOptions, 'fallback'>> & { fallback: StabilityFallback | undefined };
  #features: FrameFeatures | undefined;

  constructor(
    readonly model: Sam2Model,
    readonly video: Sam2Video,
    options: Sam2EngineOptions = {},
    private readonly onTap?: Sam2Tap,
  ) {
    const { fallback = STABILITY_FALLBACK } = options;
    this.#options = {
      binaryPrompts: options.binaryPrompts ?? true,
      fillHoleArea: options.fillHoleArea ?? FILLED_HOLE_AREA,
      nonOverlap: options.nonOverlap ?? false,
      conditionOnCorrections: options.conditionOnCorrections ?? true,
      maxConditioningFrames: options.maxConditioningFrames ?? MEMORY_READING.maxConditioningFrames,
      maxPointers: options.maxPointers ?? MEMORY_READING.maxPointers,
      memoryStride: options.memoryStride ?? MEMORY_READING.memoryStride,
      memoryPrecision: options.memoryPrecision ?? 'float32',
      fallback: fallback || undefined,
    };
    if (this.#options.maxConditioningFrames < 2) {
      throw new Sam2Error(
        'option',
        `maxConditioningFrames is ${options.maxConditioningFrames}, at least 2 are needed.`,
      );
    }
  }

  /** Ids of the objects, in the order of their first prompts. */
  get objects(): readonly number[] {
    return [...this.#objects.keys()];
  }

  /** Frames that are remembered of an object. */
  rememberedFrames(object: number): { conditioning: number[]; tracked: number[] } {
    const { conditioning, tracked } = this.#require(object).memory;
    const sorted = (entries: Map<number, Remembered>) => [...entries.keys()].sort((a, b) => a - b);
    return { conditioning: sorted(conditioning), tracked: sorted(tracked) };
  }

  /**
   * Prompts an object on a frame; an unknown id is a new object.
   * @returns Masks of all objects on the frame.
   * @throws Sam2Error `prompt`, `frame`
   */
  async addPoints(frame: number, object: number, prompt: VideoPrompt): Promise<Sam2Frame> {
    this.#checkFrame(frame);
    if (prompt.box && prompt.append) {
      throw new Sam2Error('prompt', 'A box begins a prompt: it cannot be added to earlier points.');
    }
    const added = promptPoints(prompt, this.video, this.model.imageSize);
    const state = this.#object(object);
    const before = prompt.append ? state.points.get(frame) : undefined;
    const points: FramePoints = {
      points: [...(before?.points ?? []), ...added.points],
      labels: [...(before?.labels ?? []), ...added.labels],
    };
    state.points.set(frame, points);
    state.masks.delete(frame);
    const { kind, backward } = this.#promptedAs(state, frame);
    const previous =
      state.pending[kind].get(frame) ?? state.memory.get('conditioning', frame) ?? state.memory.get('tracked', frame);
    const { image } = await this.#imageFeatures(frame);
    const name = this.#name(frame, state);
    const features =
      backward === undefined
        ? this.model.withoutMemory(image.features)
        : this.#withMemory(state, frame, backward, name);
    const mask = previous && maskPrompt(previous, this.model.lowRes);
    try {
      const output = await this.#segment(features, image, points, mask, name);
      state.pending[kind].set(frame, this.#filled(output, name));
    } finally {
      features.dispose();
      mask?.dispose();
    }
    return this.#result(frame);
  }

  /**
   * Gives an object's mask on a frame.
   * @param mask 0 and 1, of the video's size.
   * @throws Sam2Error `prompt`, `frame`
   */
  async addMask(frame: number, object: number, mask: ArrayLike<number>): Promise<Sam2Frame> {
    this.#checkFrame(frame);
    const { height, width } = this.video;
    if (mask.length !== height * width) {
      throw new Sam2Error('prompt', `The mask has ${mask.length} pixels, the video ${width}x${height}.`);
    }
    const { imageSize } = this.model;
    const given = { height, width, data: Float32Array.from(mask, (value) => (value > 0 ? 1 : 0)) };
    const square = resizeMapAntialiased(given, imageSize, imageSize);
    const binary = { ...square, data: square.data.map((value) => (value >= 0.5 ? 1 : 0)) };
    const state = this.#object(object);
    state.points.delete(frame);
    state.masks.add(frame);
    const { kind } = this.#promptedAs(state, frame);
    const { image } = await this.#imageFeatures(frame);
    const name = this.#name(frame, state);
    this.#tapPrompt(name, NO_POINTS, image.features);
    const output = await this.model.adoptMask(
      image,
      binary,
      (raw) => this.#tapRaw(name, raw),
      (logits) => this.onTap?.(`${name}.mask_prompt_in`, logits),
    );
    state.pending[kind].set(frame, this.#filled(output, name));
    return this.#result(frame);
  }

  /** Forgets what an object was prompted with on a frame. @throws Sam2Error `object` */
  async clearPrompts(frame: number, object: number): Promise<Sam2Frame> {
    this.#clear(this.#require(object), frame);
    return this.#result(frame);
  }

  #clear(state: TrackedObject, frame: number): void {
    state.points.delete(frame);
    state.masks.delete(frame);
    for (const entries of Object.values(state.pending)) entries.delete(frame);
    if (state.memory.demote(frame)) state.passed.delete(frame);
  }

  /** Forgets an object. @throws Sam2Error `object` */
  removeObject(object: number): void {
    this.#require(object).memory.dispose();
    this.#objects.delete(object);
  }

  /**
   * Follows all objects.
   * @param start First frame; by default the earliest that conditions an object.
   * @param count Frames after the first at most.
   * @throws Sam2Error `no-prompt` for an object that was never prompted.
   */
  async *propagate({
    start,
    count = this.video.frames,
    backward = false,
    signal,
  }: {
    start?: number;
    count?: number;
    backward?: boolean;
    signal?: AbortSignal | undefined;
  } = {}): AsyncGenerator<Sam2Frame, void, undefined> {
    await this.#preflight();
    const first =
      start ?? Math.min(...[...this.#objects.values()].flatMap(({ memory }) => [...memory.conditioning.keys()]));
    this.#checkFrame(first);
    // Backward from the first frame there is nothing to do, as in the published engine.
    if (backward && first === 0) return;
    const last = backward ? Math.max(first - count, 0) : Math.min(first + count, this.video.frames - 1);
    for (let frame = first; backward ? frame >= last : frame <= last; frame += backward ? -1 : 1) {
      signal?.throwIfAborted();
      for (const state of this.#objects.values()) {
        if (!state.memory.conditioning.has(frame)) await this.#track(state, frame, backward);
        state.passed.set(frame, backward);
      }
      yield this.#result(frame);
    }
  }

  async #track(state: TrackedObject, frame: number, backward: boolean): Promise<void> {
    const { image, memory: projected } = await this.#imageFeatures(frame);
    const name = this.#name(frame, state);
    const features = this.#withMemory(state, frame, backward, name);
    try {
      const output = await this.#segment(features, image, { points: [], labels: [] }, undefined, name);
      const memory = await this.#memory(projected, output, false, name);
      state.memory.set('tracked', frame, { ...this.#filled(output, name), memory });
    } finally {
      features.dispose();
    }
  }

  /** Remembers what was prompted. */
  async #preflight(): Promise<void> {
    for (const [id, state] of this.#objects) {
      for (const kind of ['tracked', 'conditioning'] as const) {
        const pending = [...state.pending[kind]];
        for (const [frame, entry] of pending) {
          const features = await this.#imageFeatures(frame);
          const name = `preflight.${this.#name(frame, state)}`;
          const memory = await this.#memory(features.memory, entry, this.#options.binaryPrompts, name);
          state.memory.set(kind, frame, { ...entry, memory });
          state.pending[kind].delete(frame);
        }
      }
      for (const frame of state.memory.conditioning.keys()) state.memory.delete('tracked', frame);
      if (state.memory.conditioning.size === 0) {
        throw new Sam2Error('no-prompt', `Object ${id} has no prompt on any frame.`);
      }
    }
    if (this.#objects.size === 0) throw new Sam2Error('no-prompt', 'There is no object to follow.');
  }

  async #memory(projected: Tensor, output: ObjectOutput, binary: boolean, name: string): Promise<Tensor> {
    const memory = this.model.memorise(projected, output, binary);
    this.onTap?.(`${name}.maskmem`, memory);
    if (this.#options.memoryPrecision === 'float32') return memory;
    const values = new Float32Array(await getEngine().read(memory));
    memory.dispose();
    return tensor(values.map(roundBfloat16), memory.shape);
  }

  /** Features that an object's memory was attended from. */
  #withMemory(state: TrackedObject, frame: number, backward: boolean, name: string): Tensor {
    const context = memoryContext(this.model, state.memory.read(frame, backward, this.video.frames, this.#options));
    if (this.onTap) this.#tapMemory(name, context);
    try {
      return this.model.withMemory(
        this.#features!.attention,
        [context],
        this.onTap && ((layer, x) => this.onTap?.(`${name}.mem_attn.${layer}`, x)),
      );
    } finally {
      disposeContext(context);
    }
  }

  async #segment(
    features: Tensor,
    image: ImageFeatures,
    points: FramePoints,
    mask: Tensor | undefined,
    name: string,
  ): Promise<ObjectOutput> {
    const { fallback } = this.#options;
    const asked = terminated(points);
    this.#tapPrompt(name, asked, features);
    return await this.model.segment(features, image, this.model.embedPoints(asked), {
      multimask: isAmbiguous(points),
      ...(mask ? { mask } : {}),
      ...(fallback ? { fallback } : {}),
      onRaw: (raw) => this.#tapRaw(name, raw),
    });
  }

  /** With holes filled, as it is shown and remembered of prompted frames. */
  #filled(output: ObjectOutput, name: string): Remembered {
    this.onTap?.(`${name}.low_res`, output.lowRes);
    this.onTap?.(`${name}.obj_ptr`, output.pointer);
    const { fillHoleArea } = this.#options;
    if (fillHoleArea <= 0) return output;
    const side = this.model.lowRes;
    const { data, filled } = fillHoles({ height: side, width: side, data: output.lowRes }, fillHoleArea);
    this.onTap?.(`${name}.n_filled`, [filled]);
    return { ...output, lowRes: data };
  }

  /** Masks of all objects on a frame, with prompts that were not propagated yet. */
  #result(frame: number): Sam2Frame {
    const { lowRes } = this.model;
    const { height, width } = this.video;
    const entries = [...this.#objects.values()].map((state) => state.shown(frame));
    const logits = entries.map((entry) =>
      entry
        ? resizeMap({ height: lowRes, width: lowRes, data: entry.lowRes }, height, width).data
        : new Float32Array(height * width).fill(ABSENT_LOGIT),
    );
    if (this.#options.nonOverlap) separate(logits);
    return { frame, objects: this.objects, logits, scores: entries.map((entry) => entry?.score) };
  }

  /** How a prompt on a frame is stored, and whether the frame was passed backward; not at all where it was not passed. */
  #promptedAs(state: TrackedObject, frame: number): { kind: MemoryKind; backward: boolean | undefined } {
    const backward = state.passed.get(frame);
    const conditions = backward === undefined || this.#options.conditionOnCorrections;
    return { kind: conditions ? 'conditioning' : 'tracked', backward };
  }

  async #imageFeatures(frame: number): Promise<FrameFeatures> {
    if (this.#features?.frame !== frame) {
      this.#forgetFeatures();
      const input = await this.video.input(frame);
      this.#features = new FrameFeatures(this.model, frame, input);
      input.dispose();
    }
    return this.#features!;
  }

  #forgetFeatures(): void {
    this.#features?.dispose();
    this.#features = undefined;
  }

  #object(id: number): TrackedObject {
    let state = this.#objects.get(id);
    if (!state) this.#objects.set(id, (state = new TrackedObject()));
    return state;
  }

  #require(id: number): TrackedObject {
    const state = this.#objects.get(id);
    if (!state) throw new Sam2Error('object', `There is no object ${id}.`);
    return state;
  }

  #checkFrame(frame: number): void {
    const { frames } = this.video;
    if (!(Number.isSafeInteger(frame) && frame >= 0 && frame < frames)) {
      throw new Sam2Error('frame', `There is no frame ${frame}: the video has ${frames}.`);
    }
  }

  /** Bytes of GPU memory that memories take. */
  get memoryBytes(): number {
    return [...this.#objects.values()].reduce((sum, { memory }) => sum + memory.bytes, 0);
  }

  dispose(): void {
    this.#forgetFeatures();
    for (const { memory } of this.#objects.values()) memory.dispose();
    this.#objects.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #name(frame: number, state: TrackedObject): string {
    return `f${frame}.o${[...this.#objects.values()].indexOf(state)}`;
  }

  #tapPrompt(name: string, points: FramePoints, features: Tensor): void {
    if (!this.onTap) return;
    this.onTap(`${name}.sparse`, this.model.embedPoints(points));
    this.onTap(`${name}.pix_feat`, features);
  }

  #tapRaw(name: string, { masks, iou, score, tokens }: RawOutput): void {
    if (!this.onTap) return;
    this.onTap(`${name}.masks4`, masks);
    this.onTap(`${name}.ious`, iou);
    this.onTap(`${name}.object_score`, [score]);
    this.onTap(`${name}.mask_tokens_out`, tokens);
  }

  #tapMemory(name: string, { frames, pointers }: MemoryContext): void {
    const tokens = pointers?.tokens.shape[0] ?? 0;
    this.onTap?.(`${name}.n_memory_tokens`, [frames.length * this.model.side ** 2 + tokens, tokens]);
    if (!pointers) return;
    this.onTap?.(`${name}.ptr_tokens`, pointers.tokens);
    this.onTap?.(`${name}.ptr_pos`, pointers.positions);
  }
}

/** Largest logit of an object where another one is stronger. */
const SUPPRESSED_LOGIT = -10;

/** Suppresses all but the strongest object at each pixel (sam2, `_apply_non_overlapping_constraints`). */
function separate(logits: readonly Float32Array[]): void {
  if (logits.length < 2) return;
  for (let i = 0; i < logits[0]!.length; i++) {
    let best = 0;
    for (let o = 1; o < logits.length; o++) if (logits[o]![i]! > logits[best]![i]!) best = o;
    for (let o = 0; o < logits.length; o++) {
      if (o !== best && logits[o]![i]! > SUPPRESSED_LOGIT) logits[o]![i] = SUPPRESSED_LOGIT;
    }
  }
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The nearest bfloat16, halves to the even one. */
function roundBfloat16(value: number): number {
  float[0] = value;
  bits[0] = (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000;
  return float[0]!;
}
