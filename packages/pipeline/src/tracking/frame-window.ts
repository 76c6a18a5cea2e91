import type { Frame } from '../io/index.js';

/** Frames of a source one by one, and those that come next without taking them out. */
export class FrameWindow {
  private readonly frames: AsyncIterator<Frame>;
  private readonly read: Frame[] = [];
  private ended = false;

  constructor(frames: AsyncIterable<Frame>) {
    this.frames = frames[Symbol.asyncIterator]();
  }

  /** The next frame, undefined after the last one. */
  async next(): Promise<Frame | undefined> {
    await this.fill(1);
    return this.read.shift();
  }

  /** Up to `count` frames behind the one taken last; fewer at the end. */
  async ahead(count: number): Promise<readonly Frame[]> {
    await this.fill(count);
    return this.read.slice(0, count);
  }

  async close(): Promise<void> {
    await this.frames.return?.();
  }

  private async fill(count: number): Promise<void> {
    while (!this.ended && this.read.length < count) {
      const { value, done } = await this.frames.next();
      if (done) this.ended = true;
      else this.read.push(value);
    }
  }
}
