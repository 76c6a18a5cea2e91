/**
 * What happens when the long-term memory is full:
 * - `unbounded`: nothing is ever dropped; exceeding the budget is an error;
 * - `fifo`: the oldest predicted frame goes;
 * - `sparse`: every second predicted frame goes and the gap doubles, so that the memory always spans the whole video.
 * Reference frames, which the user annotated, are never dropped.
 */
export type MemoryPolicy = 'unbounded' | 'fifo' | 'sparse';

/** A frame in the long-term memory. */
export interface MemorisedFrame {
  readonly frame: number;
  readonly reference: boolean;
}

/** A schedule as a value. */
export type ScheduleState = {
  readonly frames: readonly { readonly frame: number; readonly reference: boolean }[];
  /** Frame that was memorised last. */
  readonly last: number;
  /** Frames between predicted ones; null: none is memorised. */
  readonly gap: number | null;
};

/** No frame may be dropped to make room for another; see `LongTermSchedule.canAdmit`. */
export class MemoryFullError extends Error {
  override readonly name = 'MemoryFullError';
}

/**
 * Decides which frames the long-term memory holds and in which slot. Frames occupy slots 0, 1, ... without holes. Knows
 * nothing of tensors.
 */
export class LongTermSchedule {
  /** Frames by slot. */
  readonly frames: MemorisedFrame[] = [];
  #last: number;
  #gap: number;

  constructor(
    readonly policy: MemoryPolicy,
    gap: number,
    firstFrame: number,
  ) {
    this.#gap = gap;
    this.#last = firstFrame;
  }

  /** What it depends on, as JSON can say it. */
  get state(): ScheduleState {
    const gap = Number.isFinite(this.#gap) ? this.#gap : null;
    return { frames: this.frames.map((entry) => ({ ...entry })), last: this.#last, gap };
  }

  /** The schedule of this state. */
  static restored(policy: MemoryPolicy, { frames, last, gap }: ScheduleState): LongTermSchedule {
    const schedule = new LongTermSchedule(policy, gap ?? Number.POSITIVE_INFINITY, last);
    schedule.frames.push(...frames);
    return schedule;
  }

  /** Frames between predicted ones, as it is now. */
  get gap(): number {
    return this.#gap;
  }

  /** Whether a predicted frame should be memorised now. */
  due(frame: number): boolean {
    return frame - this.#last >= this.#gap;
  }

  /**
   * Whether there is room for one more frame, after dropping what the policy lets go.
   * @param maxFrames Frames there is room for.
   */
  canAdmit(maxFrames: number): boolean {
    const kept = this.policy === 'unbounded' ? this.frames : this.frames.filter(({ reference }) => reference);
    return kept.length < maxFrames;
  }

  /**
   * Admits a frame: returns the slot to write it to, after the given moves of slots.
   * @param maxFrames Frames there is room for.
   * @throws MemoryFullError when nothing may be dropped for it.
   */
  admit(frame: number, reference: boolean, maxFrames: number): { slot: number; moves: { from: number; to: number }[] } {
    if (!this.canAdmit(maxFrames)) {
      throw new MemoryFullError(`The long-term memory has room for ${maxFrames} frames, and all of them are kept.`);
    }
    const moves: { from: number; to: number }[] = [];
    if (this.frames.length >= maxFrames) {
      const dropped = new Set(this.#victims(this.frames.length - maxFrames + 1));
      const kept = this.frames.map((entry, slot) => ({ entry, slot })).filter(({ slot }) => !dropped.has(slot));
      for (const [to, { entry, slot }] of kept.entries()) {
        if (slot !== to) moves.push({ from: slot, to });
        this.frames[to] = entry;
      }
      this.frames.length = kept.length;
    }
    this.frames.push({ frame, reference });
    this.#last = frame;
    return { slot: this.frames.length - 1, moves };
  }

  /** Slots to drop so that at least `count` become free. */
  #victims(count: number): number[] {
    const predicted = this.frames
      .map(({ frame, reference }, slot) => ({ frame, reference, slot }))
      .filter((entry) => !entry.reference)
      .sort((a, b) => a.frame - b.frame)
      .map(({ slot }) => slot);
    if (this.policy === 'fifo') return predicted.slice(0, count);
    this.#gap *= 2;
    // The oldest predicted frame is the first to go, then every other one; more where room for several is needed.
    const victims = predicted.filter((_, i) => i % 2 === 0);
    return victims.length >= count ? victims : predicted.slice(0, count);
  }
}
