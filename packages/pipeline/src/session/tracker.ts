import type { Frame, LabelMap } from '../io/index.js';
import { Turns } from './turns.js';

/**
 * What a session needs of a tracker. `VideoTracker` is one.
 *
 * Frames are numbered upwards in the direction of travel, and ids are 1, 2, ... without holes: the session translates.
 */
export interface SessionTracker {
  addReference(frame: Frame, labels: LabelMap): Promise<void>;
  predict(frame: Frame): Promise<{ labels: LabelMap; uncertainty: Float32Array }>;
  remember(frame: Frame, labels: LabelMap): Promise<void>;
  recall(frame: Frame, labels: LabelMap): Promise<void>;
  memorises(index: number): boolean;
  /** Whether `recall` leaves the memory exactly as tracking the frame does. */
  readonly recallsExactly: boolean;
  readonly memorisedFrames: readonly { frame: number; reference: boolean }[];
  readonly memory: { rememberedBytes: number; allocatedBytes: number; keptBytes: number };
  restart(memoryMB?: number): void;
}

/** A tracker that several sessions use in turn. */
export class SharedTracker {
  /** Whatever needs the tracker's memory to stay as it is. */
  readonly turns = new Turns();
  #owner: unknown;

  constructor(readonly tracker: SessionTracker) {}

  /** Whether the tracker's memory is that of a session. */
  isOwnedBy(session: unknown): boolean {
    return this.#owner === session;
  }

  /** Empties the tracker for a session. */
  restart(session: unknown, memoryMB: number | undefined): SessionTracker {
    this.#owner = session;
    this.tracker.restart(memoryMB);
    return this.tracker;
  }

  /** Says that a session does not need its memory any more. */
  release(session: unknown): void {
    if (this.#owner !== session) return;
    this.#owner = undefined;
    this.tracker.restart();
  }
}
