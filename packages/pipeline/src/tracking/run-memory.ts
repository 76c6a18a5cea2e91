import { openSnapshot, storedSnapshot, TrackerError, type TrackerSnapshot } from '@samtrack/models';
import type { ResultWriter } from '../export/index.js';
import type { FrameTracker } from './frame-tracker.js';

/** What a run's tracker remembered after a frame, as `memory.safetensors` has it. */
type RunState = { readonly frame: number; readonly tracker: TrackerSnapshot['state'] };

/** At most this share of a run's time goes into storing what it remembers: large memories are stored less often. */
const SHARE = 0.1;
/** What takes less seconds than this is stored whenever it is due. */
const QUICK = 0.1;

/**
 * What the tracker of a run remembers, stored beside the run's results, so that one that goes on after a break gives the bytes of one
 * without. It is there for trackers that remember more than masks tell; the others recall frames with their masks.
 */
export class RunMemory {
  /** Frame up to which an earlier run's memory was restored. */
  #restored: number | undefined;
  /** Frame that the tracker's memory is up to; undefined while it is being changed. */
  #at: number | undefined;
  #tracked = 0;
  #warned = false;
  #stored = { tracked: 0, begin: performance.now(), end: performance.now() };

  private constructor(
    private readonly tracker: FrameTracker,
    private readonly writer: ResultWriter,
    private readonly about: string,
  ) {}

  /**
   * Restores the tracker, where an earlier run's memory is stored and fits.
   * @param build what computes; nothing that another one remembered is restored
   */
  static async open(tracker: FrameTracker, writer: ResultWriter, build = ''): Promise<RunMemory> {
    const memory = new RunMemory(tracker, writer, `${build} ${await writer.runDigest()}`);
    if (!tracker.recallsExactly) await memory.#restore();
    return memory;
  }

  /** Whether the tracker remembers what an earlier run left. */
  get isRestored(): boolean {
    return this.#restored !== undefined;
  }

  /** Whether a frame is part of what the tracker was restored to. */
  holds(frame: number): boolean {
    return this.#restored !== undefined && frame <= this.#restored;
  }

  async #restore(): Promise<void> {
    const file = this.tracker.restore && (await this.writer.openMemory());
    if (!file) return;
    const { label: name, size } = file;
    const source = {
      name,
      size,
      read: async (offset: number, length: number) => (await file.read(offset, length)) as Uint8Array<ArrayBuffer>,
      close: async () => {},
    };
    try {
      const { about, state, tensors } = await openSnapshot(source);
      if (about !== this.about) throw new TrackerError('snapshot', `${name} is of another version of samtrack`);
      const { frame, tracker } = state as RunState;
      await this.tracker.restore!({ state: tracker, tensors });
      this.#restored = frame;
    } catch (error) {
      const why = (error as Error).message;
      this.writer.warn(`went on from the stored masks alone, which may differ at a few pixels: ${why}`);
    } finally {
      await file.close();
    }
  }

  /** Whether the tracker was restored to before a frame: its masks are found again, whatever is there of them. */
  isBefore(frame: number): boolean {
    return this.#restored !== undefined && frame > this.#restored;
  }

  /** The masks behind the restored memory are not all there: it is of no use. */
  forget(): void {
    this.#restored = undefined;
    this.tracker.restart();
  }

  /** The tracker's memory is about to change. */
  begin(): void {
    this.#at = undefined;
  }

  /** The tracker's memory is up to a frame, of which the writer knows. */
  end(frame: number, tracked: number): void {
    this.#at = frame;
    this.#tracked = tracked;
  }

  /** Whether it is time to store it, after so many tracked frames. */
  isDue(frames: number): boolean {
    const { tracked, begin, end } = this.#stored;
    if (this.#tracked - tracked < frames) return false;
    const seconds = (end - begin) / 1000;
    return seconds < QUICK || (performance.now() - end) / 1000 >= seconds * (1 / SHARE - 1);
  }

  /**
   * Stores what the tracker remembers, if it is of use and not stored yet. Where there is no room for it, the run goes on without.
   * @returns whether a run may go on from here
   */
  async store(): Promise<boolean> {
    const { tracker, writer } = this;
    if (this.#at === undefined || this.#tracked === this.#stored.tracked) return false;
    const snapshot = tracker.recallsExactly ? undefined : tracker.snapshot?.();
    if (!snapshot) return false;
    const state: RunState = { frame: this.#at, tracker: snapshot.state };
    this.#stored = { tracked: this.#tracked, begin: performance.now(), end: 0 };
    try {
      await writer.writeMemory(storedSnapshot({ state, tensors: snapshot.tensors }, this.about));
      return true;
    } catch (error) {
      if (!this.#warned) writer.warn(`what the tracker remembers could not be stored: ${(error as Error).message}`);
      this.#warned = true;
      return false;
    } finally {
      this.passedOn();
    }
  }

  /** What was stored last is now where it is of use: what that took counts, too. */
  passedOn(): void {
    this.#stored.end = performance.now();
  }
}
