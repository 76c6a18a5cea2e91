import type { Frame, LabelMap } from '../io/index.js';
import { Turns } from './turns.js';

/**
 * What a session needs of a tracker. `VideoTracker` is one.
 *
 * Frames are numbered upwards in the direction of travel, and ids are 1, 2, ... without holes: the session translates.
 */
export interface SessionTracker {
  /** Makes a frame with known masks a reference; the first one starts the tracking. */
  addReference(frame: Frame, labels: LabelMap): Promise<void>;
  /** Finds the objects in the next frame and remembers nothing yet. `uncertainty` is 0 (certain) to 1, by position of the logits. */
  predict(frame: Frame): Promise<{ labels: LabelMap; uncertainty: Float32Array }>;
  /** Remembers the frame that `predict` has seen, with its masks or better ones. */
  remember(frame: Frame, labels: LabelMap): Promise<void>;
  /** Remembers a frame whose masks are known already. */
  recall(frame: Frame, labels: LabelMap): Promise<void>;
  /** Whether a frame would join the long-term memory. */
  memorises(index: number): boolean;
  /** Whether `recall` leaves the memory exactly as tracking the frame does. */
  readonly recallsExactly: boolean;
  readonly memorisedFrames: readonly { frame: number; reference: boolean }[];
  readonly memory: { rememberedBytes: number; allocatedBytes: number; keptBytes: number };
  /** Forgets everything. @param memoryMB memory for remembered frames, in MB (10^6 bytes) */
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
