import { emptyLabelMap, type Frame, type LabelMap, labelIds } from '../io/index.js';
import { SessionError } from './errors.js';
import { type PropagateEvent, signOf } from './events.js';
import type { FrameReader } from './frame-reader.js';
import type { HistoryNode } from './history.js';
import { relabel, replaceObject } from './masks.js';
import { type Annotation, frameAt, resolver, type SessionState } from './state.js';
import type { SessionTracker, SharedTracker } from './tracker.js';

/** The masks that a propagation found in a frame, and how sure each of them is. */
export interface PassFrame {
  frame: Frame;
  labels: LabelMap;
  /** 1 less the mean normalised entropy of an object's pixels; 1 where the masks were given. */
  certaintyOf: (id: number) => number;
}

/** What a pass runner needs to know of the session. */
export interface PassContext {
  readonly reader: FrameReader;
  readonly shared: SharedTracker;
  /** The state after a propagation had come to so many frames. */
  stateAfter(node: HistoryNode, frames: number): SessionState;
  node(seq: number): HistoryNode;
  view(state: SessionState, frame: number): Promise<LabelMap | undefined>;
}

/** Where the tracker stands: after so many frames of a propagation. */
interface Standing {
  seq: number;
  frames: number;
  frame: number;
  /** Session ids by tracker id less one, as they were in the state that `path` belongs to. */
  slots: number[];
  /** Event up to which `slots` are right. */
  slotsSince: number;
}

type PropagateNode = HistoryNode & { event: PropagateEvent };

/**
 * Computes propagations. What one gives depends on nothing but the events before it and the video:
 *
 * - Every range begins with an empty tracker. The reference frames before the range (in the direction of travel) become
 *   references, the known frames between them that the long-term memory wants are recalled, and the one right before the range.
 * - An annotated first frame is a reference as it is. Every other frame is predicted. Annotations, and masks that are to stay, are laid over the prediction; an annotated frame becomes a
 *   reference for good, any other is remembered with its masks.
 * - A propagation that `continues` another one takes the tracker as that one left it.
 *
 * Where a propagation is taken up in the middle and the tracker is not there any more, it is brought there again: by recalling,
 * where that is exact, else by tracking the range's frames once more.
 */
export class PassRunner {
  #standing: Standing | undefined;

  constructor(private readonly context: PassContext) {}

  /** Where the tracker stands now; undefined if its memory is of no use. */
  get standing(): Readonly<Standing> | undefined {
    return this.context.shared.isOwnedBy(this) ? this.#standing : undefined;
  }

  /** Forgets where the tracker stands. */
  reset(): void {
    this.#standing = undefined;
  }

  release(): void {
    this.reset();
    this.context.shared.release(this);
  }

  /**
   * Runs a propagation from one of its frames on. The tracker's state follows the frames that were taken from the generator.
   * @param from Position of the first frame to deliver.
   * @param to Position to stop before.
   */
  run(node: HistoryNode, from: number, signal?: AbortSignal, to?: number): AsyncGenerator<PassFrame> {
    return this.#run(node, from, signal, to, (work) => this.context.shared.turns.take(work));
  }

  /** @param inTurn Keeps other sessions from the tracker while work is done. */
  async *#run(
    node: HistoryNode,
    from: number,
    signal?: AbortSignal,
    to = Number.POSITIVE_INFINITY,
    inTurn: <T>(work: () => Promise<T>) => Promise<T> = (work) => work(),
  ): AsyncGenerator<PassFrame> {
    const { shared } = this.context;
    const propagate = node as PropagateNode;
    const { direction, ranges } = propagate.event;
    let position = from;
    for (let at = frameAt(propagate.event, position); at && position < to; at = frameAt(propagate.event, position)) {
      const run = new RangeRun(this.context, propagate);
      const { frame: first, range } = at;
      const start = at;
      await inTurn(() => this.#bring(run, position, start, signal));
      const end = ranges[range]![1];
      const before = position;
      const length = to - position;
      // Whether another session has taken the tracker over.
      let taken = false;
      for await (const frame of this.context.reader.travel(direction, first, end, signal)) {
        const result = await inTurn(async () => {
          if (!shared.isOwnedBy(this)) return undefined;
          const stepped = await run.step(frame, start.first && position === before);
          this.#stand(run, position + 1, frame.index);
          return stepped;
        });
        taken = result === undefined;
        if (!result) break;
        position++;
        yield result;
        if (position - before >= length) return;
      }
      if (taken) continue;
      // The source ended before the range did.
      if (end === null || position === before) return;
      if (frameAt(propagate.event, position)?.range === range) return;
    }
  }

  #stand(run: RangeRun, frames: number, frame: number): void {
    const { seq } = run.node;
    this.#standing = { seq, frames, frame, slots: run.slots, slotsSince: seq };
  }

  /** Brings the tracker to where the frame at a position can be predicted. */
  async #bring(
    run: RangeRun,
    position: number,
    at: { frame: number; range: number; first: boolean },
    signal?: AbortSignal,
  ): Promise<void> {
    const { node } = run;
    const { shared } = this.context;
    const standing = this.standing;
    if (standing && standing.seq === node.seq && standing.frames === position && !at.first) {
      run.take(shared.tracker, standing.slots);
      return;
    }
    const continues = at.range === 0 ? node.event.continues : undefined;
    if (continues && at.first) {
      await this.#goTo(continues, signal);
      const { slots, frame } = this.#standing!;
      const resolve = resolver(run.state.path, continues.event);
      run.take(shared.tracker, slots.map(resolve));
      await run.correct(frame, continues.event, signal);
      return;
    }
    const start = node.event.ranges[at.range]![0];
    if (at.first || (!continues && shared.tracker.recallsExactly && run.hasReference(start))) {
      run.take(shared.restart(this, node.event.memoryMB), []);
      this.#standing = undefined;
      await run.rebuild(at.frame, this.context.stateAfter(node, position), signal);
      return;
    }
    // Once more from the range's first frame.
    const offset = Math.abs(at.frame - start);
    for await (const _ of this.#run(node, position - offset, signal, position));
    run.take(shared.tracker, this.#standing!.slots);
  }

  /** Brings the tracker to the end of an earlier propagation. */
  async #goTo({ event, frames }: { event: number; frames: number }, signal?: AbortSignal): Promise<void> {
    const standing = this.standing;
    if (standing?.seq === event && standing.frames === frames) return;
    const node = this.context.node(event) as PropagateNode;
    const at = frameAt(node.event, frames - 1)!;
    const offset = Math.abs(at.frame - node.event.ranges[at.range]![0]);
    for await (const _ of this.#run(node, frames - 1 - offset, signal, frames));
  }
}

/** One range of a propagation: the tracker in terms of the session's frames and objects. */
class RangeRun {
  readonly state: SessionState;
  /** Session ids by tracker id less one. */
  slots: number[] = [];
  #tracker!: SessionTracker;
  readonly #sign: 1 | -1;
  #started = false;

  constructor(
    private readonly context: PassContext,
    readonly node: PropagateNode,
  ) {
    this.state = context.stateAfter(node, 0);
    this.#sign = signOf(node.event.direction);
  }

  take(tracker: SessionTracker, slots: readonly number[]): void {
    this.#tracker = tracker;
    this.slots = [...slots];
    this.#started = slots.length > 0;
  }

  /** Whether a frame, or one before it, is annotated. */
  hasReference(frame: number): boolean {
    return [...this.state.annotations.keys()].some((reference) => this.#sign * (frame - reference) >= 0);
  }

  /** Fills the empty tracker with what is known before a frame. */
  async rebuild(start: number, state: SessionState, signal?: AbortSignal): Promise<void> {
    const sign = this.#sign;
    const references = [...state.annotations.keys()].filter((frame) => sign * (start - frame) > 0);
    const first = references.sort((a, b) => sign * (a - b))[0];
    if (first === undefined) return;
    for (let index = first; index !== start; index += sign) {
      signal?.throwIfAborted();
      const reference = state.annotations.has(index);
      const last = index + sign === start;
      if (!reference && !last && !(this.#started && this.#tracker.memorises(sign * index))) continue;
      const labels = await this.context.view(state, index);
      if (!labels) continue;
      const frame = await this.context.reader.get(index, signal);
      if (reference) await this.#reference(frame, labels);
      else if (this.#started) await this.#tracker.recall(this.#numbered(frame), this.#toSlots(labels));
    }
  }

  /** Takes in what was annotated in the tracker's own frame after it was tracked. */
  async correct(index: number, since: number, signal?: AbortSignal): Promise<void> {
    const annotations = this.state.annotations.get(index);
    if (![...(annotations?.values() ?? [])].some(({ seq }) => seq > since)) return;
    const labels = await this.context.view(this.state, index);
    if (labels) await this.#reference(await this.context.reader.get(index, signal), labels);
  }

  /** Finds the masks of the next frame. @param first Whether it is the first one of its range. */
  async step(frame: Frame, first: boolean): Promise<PassFrame> {
    const { state } = this;
    const annotations = state.annotations.get(frame.index);
    if (!this.#started || (first && annotations)) {
      // The masks that were seen when the frame was annotated are right for its other objects, too.
      const known = await this.context.view(state, frame.index);
      if (!known || (!this.#started && labelIds(known).length === 0)) {
        throw new SessionError('no-reference', `there are no masks in frame ${frame.index} to start from`);
      }
      await this.#reference(frame, known);
      return { frame, labels: known, certaintyOf: () => 1 };
    }
    const predicted = await this.#tracker.predict(this.#numbered(frame));
    const certainty = this.#certainty(predicted.uncertainty);
    const { labels } = predicted;
    relabel(labels, (slot) => this.slots[slot - 1] ?? 0);
    // Objects that are gone since the tracker learned of them.
    relabel(labels, (id) => (state.objects.has(id) ? id : 0));
    await this.#keep(labels, frame.index);
    if (annotations) {
      this.#annotate(labels, annotations);
      for (const id of annotations.keys()) certainty.set(id, 1);
      await this.#reference(frame, labels);
    } else {
      await this.#tracker.remember(this.#numbered(frame), this.#toSlots(labels));
    }
    return { frame, labels, certaintyOf: (id) => certainty.get(id) ?? 0 };
  }

  /** Puts masks back that this propagation must not change. */
  async #keep(labels: LabelMap, frame: number): Promise<void> {
    const chosen = this.node.event.objects;
    const stays = new Set<number>();
    const locked = new Set<number>();
    for (const { id, locked: isLocked } of this.state.objects.values()) {
      if (isLocked) locked.add(id);
      else if (chosen && !chosen.includes(id)) stays.add(id);
    }
    const known = stays.size + locked.size > 0 && (await this.context.view(this.state, frame));
    if (!known) return;
    const { data } = labels;
    for (let i = 0; i < data.length; i++) {
      const [now, before] = [data[i]!, known.data[i]!];
      if (locked.has(before)) data[i] = before;
      else if (locked.has(now) || stays.has(now)) data[i] = stays.has(before) ? before : 0;
      else if (stays.has(before) && now === 0) data[i] = before;
    }
  }

  #annotate(labels: LabelMap, annotations: ReadonlyMap<number, Annotation>): void {
    const size: [number, number] = [labels.height, labels.width];
    for (const [id, { masks }] of annotations) {
      replaceObject(
        labels,
        id,
        masks.map(({ counts }) => ({ size, counts })),
      );
    }
  }

  async #reference(frame: Frame, labels: LabelMap): Promise<void> {
    for (const id of labelIds(labels)) if (!this.slots.includes(id)) this.slots.push(id);
    const inSlots = this.#toSlots(labels);
    if (labelIds(inSlots).length === 0) {
      // Everything was taken away: there is nothing to refer to, but the tracker must not see it again.
      if (this.#started) await this.#tracker.recall(this.#numbered(frame), inSlots);
      return;
    }
    await this.#tracker.addReference(this.#numbered(frame), inSlots);
    this.#started = true;
  }

  #toSlots(labels: LabelMap): LabelMap {
    const copy = emptyLabelMap(labels.width, labels.height);
    copy.data.set(labels.data);
    relabel(copy, (id) => this.slots.indexOf(id) + 1);
    return copy;
  }

  /** The tracker wants numbers that go up. */
  #numbered(frame: Frame): Frame {
    return this.#sign === 1 ? frame : { ...frame, index: -frame.index };
  }

  /** 1 less the mean entropy of each object's positions. */
  #certainty(uncertainty: Float32Array): Map<number, number> {
    const sums = new Map<number, { entropy: number; count: number }>();
    for (let i = 0; i < uncertainty.length; i += 2) {
      const slot = uncertainty[i]!;
      if (slot === 0) continue;
      const id = this.slots[slot - 1]!;
      let sum = sums.get(id);
      if (!sum) sums.set(id, (sum = { entropy: 0, count: 0 }));
      sum.entropy += uncertainty[i + 1]!;
      sum.count++;
    }
    return new Map([...sums].map(([id, { entropy, count }]) => [id, 1 - entropy / count]));
  }
}
