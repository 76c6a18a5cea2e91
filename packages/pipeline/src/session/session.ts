import { SerialQueue } from '@samtrack/kernels/common';
import { compressRle, encodeRle, type Frame, type FrameSource, type LabelMap, labelIds } from '../io/index.js';
import { annotate, encodeMasks } from './annotate.js';
import type { SessionMemory } from './budget.js';
import { SessionCore, type SessionOptions } from './core.js';
import { driftOf, type FrameDrift, type Suggestion, suggestFrame } from './drift.js';
import { SessionError } from './errors.js';
import type { Direction, SessionObject } from './events.js';
import { knownMasks } from './known-masks.js';
import { components, pixelsOf, ResultMask } from './masks.js';
import { type Plan, planRanges } from './plan.js';
import { checkPrompt, type Prompt, type PromptContent, type PromptRecord, recordOf } from './prompt.js';
import { type PropagateOptions, propagate, type SessionResult } from './propagate.js';
import { type ResolvedMask, resolvePrompt } from './resolve-prompt.js';
import { restoreMasks } from './restore.js';

/** The masks of an object in a reference frame, as they were given. */
export interface SessionAnnotation {
  readonly frame: number;
  readonly object: number;
  /** What was asked, as far as it is no mask: points with their labels, a box, a text ... */
  readonly prompt: PromptRecord;
}

/** What a prompt did. */
export interface PromptResult {
  /** The objects it gave masks to. */
  readonly objects: readonly SessionObject[];
  /** All masks of the frame as they are now. */
  readonly mask: ResultMask;
}

/**
 * Objects in a video: prompts, corrections and tracking, as a log of events. Masks follow from the events and the video; what is
 * stored of them only saves computing them again. Every change is stored before it counts, and can be undone.
 *
 *     await session.prompt({ frame: 0, object: 'dog', points: [[320, 200]] });
 *     for await (const { frame, mask } of session.propagate()) ...
 */
export class Session {
  /** The segmenter looks at one image at a time. */
  readonly #prompts = new SerialQueue();

  private constructor(private readonly core: SessionCore) {}

  /**
   * Begins a session, or goes on with the one that the storage holds.
   * @throws SessionError `corrupt`, `version`, `source-mismatch`, `tracker-mismatch`; OutputError `busy` while another writer has
   *   the project open, and what writing throws
   */
  static async open(options: SessionOptions): Promise<Session> {
    return new Session(await SessionCore.open(options));
  }

  get source(): FrameSource {
    return this.core.source;
  }

  /** The objects, by ascending id. */
  get objects(): readonly SessionObject[] {
    return [...this.core.state.objects.values()].sort((a, b) => a.id - b.id);
  }

  /** Frames with annotations, ascending: they are remembered for good. */
  get references(): readonly number[] {
    return [...this.core.state.annotations.keys()].sort((a, b) => a - b);
  }

  /** Every annotation, by ascending frame. */
  get annotations(): readonly SessionAnnotation[] {
    return this.references.flatMap((frame) =>
      [...this.core.state.annotations.get(frame)!.keys()].map((object) => ({
        frame,
        object,
        prompt: this.#recordOf(frame, object) ?? {},
      })),
    );
  }

  /** Whether the session's first events annotated these frames, in this order, with the masks of exactly these regions. */
  beganWith(...begin: readonly { readonly frame: number; readonly mask: LabelMap }[]): boolean {
    const nodes = [...this.core.project.history.nodes];
    return begin.every(({ frame, mask }, i) => {
      const event = nodes[i]?.event;
      if (event?.type !== 'annotate' || event.frame !== frame) return false;
      const regions = encodeMasks(mask, labelIds(mask)).map(({ counts }) => counts);
      return regions.join(' ') === event.masks.map(({ counts }) => counts).join(' ');
    });
  }

  /** Whether the project file ended in the middle of a line when it was opened: that one was never confirmed, and is dropped. */
  get repaired(): boolean {
    return this.core.project.repaired;
  }

  get canUndo(): boolean {
    return this.core.project.history.canUndo;
  }

  get canRedo(): boolean {
    return this.core.project.history.canRedo;
  }

  /** An object by id or name. @throws SessionError `unknown-object` */
  object(idOrName: number | string): SessionObject {
    return this.core.object(idOrName);
  }

  /**
   * Shows objects in a frame, which becomes a reference frame. Masks are found now and stored: replaying needs no segmenter.
   * `affected` tells the frames that have to be tracked anew, `propagate` does it.
   * @throws SessionError, MaskError; whatever segmenter and detector throw
   */
  prompt(prompt: Prompt): Promise<PromptResult> {
    return this.#prompts.run(() => this.#prompt(prompt));
  }

  /**
   * The masks that a prompt would give, one for each object that it finds: 1 where the object is, rows from the top. Nothing is stored.
   * @throws as `prompt`
   */
  preview(prompt: Prompt): Promise<Uint8Array[]> {
    return this.#prompts.run(async () => (await this.#resolve(prompt)).masks.map(({ pixels }) => pixels));
  }

  async #resolve(prompt: Prompt): Promise<{ target: SessionObject | undefined; masks: ResolvedMask[] }> {
    const { core } = this;
    if (typeof prompt !== 'object' || prompt === null) {
      throw new SessionError(
        'bad-prompt',
        `a prompt is an object, such as { frame: 0, points: [[320, 200]] }, not ${prompt}`,
      );
    }
    prompt.signal?.throwIfAborted();
    core.check(prompt.frame);
    const { source, segmenter, detector } = core.options;
    checkPrompt(prompt, source);
    const { object } = prompt;
    const target = object === undefined ? undefined : core.find(object);
    if (target) core.unlocked(target.id);
    else if (typeof object === 'number' && !prompt.mask) core.object(object);
    const masks = await resolvePrompt(prompt, target?.id ?? (typeof object === 'number' ? object : undefined), {
      frame: () => this.frame(prompt.frame, prompt.signal),
      segmenter,
      detector,
      size: source,
      labels: await core.masks(prompt.frame),
      earlier: this.#earlier(prompt, target),
      known: (id) => knownMasks(core, prompt.frame, id, prompt.signal),
    });
    return { target, masks };
  }

  async #prompt(prompt: Prompt): Promise<PromptResult> {
    const { core } = this;
    const { target, masks } = await this.#resolve(prompt);
    const { object } = prompt;
    const name = target || typeof object !== 'string' ? {} : { name: object };
    const named = masks.map((mask) => ({ ...mask, ...name }));
    const record = recordOf(prompt, this.#earlier(prompt, target));
    return this.#prompted(prompt.frame, await annotate(core, prompt.frame, named, record, prompt.label));
  }

  /**
   * Changes name, class, colour, or whether the object is locked. Names are given once.
   * @throws SessionError for an object that is not there, or an option that cannot be
   */
  async update(object: number | string, set: Partial<Omit<SessionObject, 'id'>>): Promise<void> {
    this.core.check();
    const { id } = this.core.object(object);
    const other = set.name === undefined ? undefined : this.core.find(set.name);
    if (other && other.id !== id) throw new SessionError('bad-option', `object ${other.id} is named "${set.name}"`);
    await this.core.event({ type: 'update', object: id, set });
  }

  /** Gives an object another name. @throws SessionError */
  rename(object: number | string, name: string): Promise<void> {
    return this.update(object, { name });
  }

  /** Keeps an object's masks as they are, whatever is corrected or propagated. @throws SessionError */
  lock(object: number | string): Promise<void> {
    return this.update(object, { locked: true });
  }

  /** Takes that back. @throws SessionError */
  unlock(object: number | string): Promise<void> {
    return this.update(object, { locked: false });
  }

  /** Takes an object out of all frames. */
  async remove(object: number | string): Promise<void> {
    this.core.check();
    await this.core.event({ type: 'remove', object: this.core.unlocked(object).id });
  }

  /**
   * Makes objects parts of another one, in all frames.
   * @throws SessionError `locked-object`, or `bad-option` when there is nothing to merge
   */
  async merge(objects: readonly (number | string)[], into: number | string): Promise<void> {
    this.core.check();
    const target = this.core.unlocked(into).id;
    const parts = new Set(objects.map((object) => this.core.unlocked(object).id));
    parts.delete(target);
    if (parts.size === 0)
      throw new SessionError('bad-option', 'merge needs an object other than the one to merge into');
    await this.core.event({ type: 'merge', objects: [...parts], into: target });
  }

  /**
   * Makes parts of an object new objects, in one frame; `propagate` carries that on. The parts are what the prompt shows, or,
   * without one, the pieces that do not hang together: the largest one stays.
   */
  split(
    object: number | string,
    frame: number,
    prompt?: PromptContent & { readonly signal?: AbortSignal | undefined },
  ): Promise<PromptResult> {
    return this.#prompts.run(() => this.#split(object, frame, prompt));
  }

  async #split(
    object: number | string,
    frame: number,
    prompt?: PromptContent & { readonly signal?: AbortSignal | undefined },
  ): Promise<PromptResult> {
    const { core } = this;
    core.check(frame);
    const { id } = core.unlocked(object);
    const { segmenter, detector, source: size } = core.options;
    const labels = await core.masks(frame);
    const whole = pixelsOf(labels, id);
    let parts = components(whole, size.width, size.height).slice(1);
    if (prompt) {
      checkPrompt({ ...prompt, frame }, size);
      const context = { frame: () => this.frame(frame, prompt.signal), segmenter, detector, size, labels };
      const shown = await resolvePrompt({ ...prompt, frame }, undefined, context);
      parts = shown.map(({ pixels }) => pixels.map((pixel, i) => pixel & whole[i]!));
    }
    const rest = whole.map((pixel, i) => (pixel && !parts.some((part) => part[i]) ? 1 : 0));
    if (!parts.some((part) => part.some(Boolean)) || !rest.some(Boolean)) {
      throw new SessionError('nothing-found', `object ${id} has no part to split off in frame ${frame}`);
    }
    const masks = [{ object: id, pixels: rest }, ...parts.map((pixels) => ({ pixels }))];
    return this.#prompted(frame, await annotate(core, frame, masks, { split: id }));
  }

  /** Makes a frame a permanent reference with the masks that it has. @throws SessionError `no-objects` */
  async reference(frame: number): Promise<void> {
    const { core } = this;
    core.check(frame);
    const labels = await core.masks(frame);
    const { ids } = labels;
    if (ids.length === 0) throw new SessionError('no-objects', `frame ${frame} has no masks to refer to`);
    await core.event({ type: 'annotate', frame, masks: encodeMasks(labels, ids), prompt: { reference: true } });
  }

  /**
   * Says that an object is not in a frame, which becomes a reference frame; `propagate` carries that on.
   * @throws SessionError `nothing-found` where it has no pixels there
   */
  async erase(frame: number, object: number | string): Promise<void> {
    const { core } = this;
    core.check(frame);
    const { id } = core.unlocked(object);
    const { width, height, ids } = await core.masks(frame);
    if (!ids.includes(id)) throw new SessionError('nothing-found', `object ${id} is not in frame ${frame}`);
    const { counts } = compressRle(encodeRle(new Uint8Array(width * height), width, height));
    await core.event({ type: 'annotate', frame, masks: [{ object: id, counts }], prompt: { erased: true } });
  }

  /**
   * Takes the annotations of a frame back, of one object or of all.
   * @throws SessionError `bad-option` when there is no such annotation
   */
  async clear(frame: number, object?: number | string): Promise<void> {
    const { core } = this;
    core.check(frame);
    const only = object === undefined ? undefined : core.object(object).id;
    const annotated = [...(core.state.annotations.get(frame)?.keys() ?? [])];
    const objects = only === undefined ? annotated : annotated.filter((id) => id === only);
    if (objects.length === 0) throw new SessionError('bad-option', `there is no such annotation in frame ${frame}`);
    for (const id of objects) core.unlocked(id);
    await core.event({ type: 'clear', frame, objects });
  }

  /** Takes the newest change back; a propagation is one change. @returns whether there was one */
  async undo(): Promise<boolean> {
    this.core.check();
    if (!this.canUndo) return false;
    await this.core.step({ undo: true });
    return true;
  }

  /** Brings back what was undone last. @returns whether there was something */
  async redo(): Promise<boolean> {
    this.core.check();
    if (!this.canRedo) return false;
    await this.core.step({ redo: true });
    return true;
  }

  /** What `propagate` would track in a direction; `planRanges` says what an edit affects. */
  affected(direction: Direction = 'forward'): Plan {
    return planRanges(this.core.state, direction, this.source.frameCount);
  }

  /**
   * Tracks the objects through the frames that need it, or through a range. Results are stored before they are delivered; the
   * generator may be left at any time, and another call goes on. The session may be changed between results: what is changed
   * holds from the next frame on.
   * @throws SessionError `no-objects`, `no-reference`, `busy`; OutOfBudgetError before anything is tracked
   */
  propagate(options: PropagateOptions = {}): AsyncGenerator<SessionResult> {
    return propagate(this.core, options);
  }

  /** The masks of a frame as they are now; undefined where nothing is known. Computes them again if they are not stored. */
  async mask(frame: number, options: { signal?: AbortSignal | undefined } = {}): Promise<ResultMask | undefined> {
    this.core.check(frame);
    const labels = await this.core.view(frame, options.signal);
    return labels && new ResultMask(labels);
  }

  /** A frame of the source. */
  frame(index: number, signal?: AbortSignal): Promise<Frame> {
    return this.core.reader.get(index, signal);
  }

  /**
   * Computes the masks again that belong to the session and are not stored, if there are any.
   * @throws SessionError `missing-masks` for a live source, whose frames are gone
   */
  restore(options: { signal?: AbortSignal | undefined; onProgress?: (frame: number) => void } = {}): Promise<void> {
    this.core.check();
    return restoreMasks(this.core, options);
  }

  /** How sure the tracker was, for every frame with masks, ascending. */
  timeline(): FrameDrift[] {
    const { state, project } = this.core;
    return project.masks
      .frames(
        state.passes.map(({ seq }) => seq),
        this.references,
      )
      .flatMap((frame) => {
        return driftOf(state, project.masks, frame) ?? [];
      });
  }

  /** Which frame to look at next: the one whose correction would tell most. Undefined if nothing was tracked. */
  suggest(): Suggestion | undefined {
    return suggestFrame(this.timeline(), this.core.state.annotations.keys());
  }

  get memory(): SessionMemory {
    return this.core.memory;
  }

  /** Ends the session; what it holds is stored. A source that was handed in stays open. Idempotent. */
  close(): Promise<void> {
    return this.core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prompted(frame: number, ids: readonly number[]): Promise<PromptResult> {
    return { objects: ids.map((id) => this.object(id)), mask: await this.core.masks(frame) };
  }

  /** What a prompt goes on with. */
  #earlier({ frame, extend }: Prompt, target: SessionObject | undefined): PromptRecord | undefined {
    return extend && target ? this.#recordOf(frame, target.id) : undefined;
  }

  /** What the newest prompt of an object in a frame was. */
  #recordOf(frame: number, object: number): PromptRecord | undefined {
    const seq = this.core.state.annotations.get(frame)?.get(object)?.seq;
    const event = seq === undefined ? undefined : this.core.project.history.node(seq).event;
    return event?.type === 'annotate' ? event.prompt : undefined;
  }
}
