import { type Frame, type FrameSource, SourceError } from '../io/index.js';
import type { Direction } from './events.js';

/** Frames of a source in any order, few at a time. */
export class FrameReader {
  #latest: Frame | undefined;

  /** @param ahead Frames read in one go when travelling backward. */
  constructor(
    readonly source: FrameSource,
    private readonly ahead = 8,
  ) {}

  /** Most frames that are in memory at once, those decoded ahead by the source included. */
  get framesHeld(): number {
    return this.ahead + 6;
  }

  /** One frame. Throws `SourceError` (`bad-option`) where there is none. */
  async get(index: number, signal?: AbortSignal): Promise<Frame> {
    if (this.#latest?.index === index) return this.#latest;
    for await (const frame of this.source.frames({ from: index, to: index + 1, signal })) {
      this.#latest = frame;
      return frame;
    }
    throw new SourceError('bad-option', this.source.name, `there is no frame ${index}`);
  }

  /** Frames from `start` on, in the direction of travel, up to the one before `end`. */
  async *travel(direction: Direction, start: number, end: number | null, signal?: AbortSignal): AsyncGenerator<Frame> {
    if (direction === 'forward') {
      for await (const frame of this.source.frames({ from: start, to: end ?? undefined, signal })) {
        this.#latest = frame;
        yield frame;
      }
      return;
    }
    const stop = end ?? -1;
    for (let high = start; high > stop; high -= this.ahead) {
      const low = Math.max(stop + 1, high - this.ahead + 1);
      const block: Frame[] = [];
      for await (const frame of this.source.frames({ from: low, to: high + 1, signal })) block.push(frame);
      for (let frame = block.pop(); frame; frame = block.pop()) {
        this.#latest = frame;
        yield frame;
      }
    }
  }
}
