import { type Frame, type LabelMap, labelIds } from '../io/index.js';
import type { FoundMasks } from '../tracking/frame-tracker.js';
import { Propagator, type RevisedMasks } from '../tracking/propagator.js';
import { TrackerIds } from '../tracking/tracker-ids.js';
import { SessionError } from './errors.js';
import { type PropagateEvent, signOf } from './events.js';
import type { FrameReader } from './frame-reader.js';
import type { HistoryNode } from './history.js';
import { relabel, replaceObject } from './masks.js';
import { type Annotation, frameAt, resolver, type SessionState } from './state.js';
import type { SharedTracker } from './tracker.js';

/** The masks that a propagation found in a frame, and how sure each of them is. */
export interface PassFrame {
  frame: Frame;
  labels: LabelMap;
  /** 1 less the mean normalised entropy of an object's pixels; 1 where the masks were given. */
  certaintyOf: (id: number) => number;
  /** Objects that the tracker says are not in the frame, and how sure it is of that, 0..1. */
  gone?: (readonly [id: number, certainty: number])[];
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
    return this.#run(node, from, signal, to, (work) => this.context.shared.queue.run(work));
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
      run.take(standing.slots);
      return;
    }
    const continues = at.range === 0 ? node.event.continues : undefined;
    if (continues && at.first) {
      await this.#goTo(continues, signal);
      const { slots, frame } = this.#standing!;
      const resolve = resolver(run.state.path, continues.event);
      run.take(slots.map(resolve));
      await run.correct(frame, continues.event, signal);
      return;
    }
    const start = node.event.ranges[at.range]![0];
    if (at.first || (!continues && shared.tracker.recallsExactly && run.hasReference(start))) {
      const { memoryMB, direction } = node.event;
      shared.restart(this, { memoryMB, direction });
      run.take([]);
      this.#standing = undefined;
      await run.rebuild(at.frame, this.context.stateAfter(node, position), signal);
      return;
    }
    // Once more from the range's first frame.
    const offset = Math.abs(at.frame - start);
    for await (const _ of this.#run(node, position - offset, signal, position));
    run.take(this.#standing!.slots);
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
  readonly #sign: 1 | -1;
  #ids = new TrackerIds();
  #propagator: Propagator;

  constructor(
    private readonly context: PassContext,
    readonly node: PropagateNode,
  ) {
    this.state = context.stateAfter(node, 0);
    this.#sign = signOf(node.event.direction);
    this.#propagator = new Propagator(context.shared.tracker, this.#ids);
  }

  /** Session ids by tracker id less one. */
  get slots(): number[] {
    return [...this.#ids.objects];
  }

  /** Goes on with the tracker as it stands. */
  take(slots: readonly number[]): void {
    this.#ids = new TrackerIds(slots);
    this.#propagator = new Propagator(this.context.shared.tracker, this.#ids);
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
      const recent = sign * (start - index) <= this.#propagator.recentFrames;
      if (!reference && !recent && !this.#propagator.memorises(index)) continue;
      const labels = await this.context.view(state, index);
      if (!labels) continue;
      const frame = await this.context.reader.get(index, signal);
      if (!reference) await this.#propagator.recall(frame, labels);
      else if (this.#propagator.started || labelIds(labels).length > 0) {
        // What was found of others is no more than that.
        await this.#propagator.reference(frame, labels, state.annotations.get(index)!.keys());
      }
    }
  }

  /** Takes in what was annotated in the tracker's own frame after it was tracked. */
  async correct(index: number, since: number, signal?: AbortSignal): Promise<void> {
    const annotations = this.state.annotations.get(index);
    if (![...(annotations?.values() ?? [])].some(({ seq }) => seq > since)) return;
    const labels = await this.context.view(this.state, index);
    if (labels)
      await this.#propagator.reference(await this.context.reader.get(index, signal), labels, annotations!.keys());
  }

  /** Finds the masks of the next frame. @param first Whether it is the first one of its range. */
  async step(frame: Frame, first: boolean): Promise<PassFrame> {
    const annotations = this.state.annotations.get(frame.index);
    if (!this.#propagator.started || (first && annotations)) {
      // The masks that were seen when the frame was annotated are right for its other objects, too.
      const known = await this.context.view(this.state, frame.index);
      if (!known || (!this.#propagator.started && labelIds(known).length === 0)) {
        throw new SessionError('no-reference', `there are no masks in frame ${frame.index} to start from`);
      }
      await this.#propagator.reference(frame, known);
      return { frame, labels: known, certaintyOf: () => 1 };
    }
    let certainty: FoundMasks['certainty'] = new Map();
    const labels = await this.#propagator.propagate(frame, (found) => {
      ({ certainty } = found);
      return this.#revise(frame, found, annotations);
    });
    const shown = new Set(labelIds(labels));
    return {
      frame,
      labels,
      certaintyOf: (id) => (annotations?.has(id) ? 1 : (certainty.get(id)?.mean ?? 0)),
      // It knows, and did not merely lose sight of it.
      gone: [...certainty].flatMap(([id, { mean }]) => (mean < 0.5 && !shown.has(id) ? [[id, 1 - mean] as const] : [])),
    };
  }

  /** Lays over what was found what is known better. */
  async #revise(
    { index }: Frame,
    { labels }: FoundMasks,
    annotations: ReadonlyMap<number, Annotation> | undefined,
  ): Promise<RevisedMasks> {
    // Objects that are gone since the tracker learned of them.
    relabel(labels, (id) => (this.state.objects.has(id) ? id : 0));
    await this.#keep(labels, index);
    if (annotations) this.#annotate(labels, annotations);
    return { labels, reference: annotations !== undefined, given: annotations?.keys() };
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
}
