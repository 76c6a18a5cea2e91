import { SerialQueue } from '@samtrack/kernels/common';
import type { FrameTracker, RestartOptions } from '../tracking/frame-tracker.js';

/** A tracker that several sessions use in turn. */
export class SharedTracker {
  /** Whatever needs the tracker's memory to stay as it is. */
  readonly queue = new SerialQueue();
  #owner: unknown;

  constructor(readonly tracker: FrameTracker) {}

  /** Whether the tracker's memory is that of a session. */
  isOwnedBy(session: unknown): boolean {
    return this.#owner === session;
  }

  /** Empties the tracker for a session. */
  restart(session: unknown, options: RestartOptions): FrameTracker {
    this.#owner = session;
    this.tracker.restart(options);
    return this.tracker;
  }

  /** Says that a session does not need its memory any more. */
  release(session: unknown): void {
    if (this.#owner !== session) return;
    this.#owner = undefined;
    this.tracker.restart();
  }
}
