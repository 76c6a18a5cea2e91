import { emptyLabelMap, type Frame, type FrameSource, type LabelMap } from '../../src/io/index.js';
import { makeFrame, type Size } from '../tracking/scene.js';

/** The smallest frames that make more than one token: nine of them. */
export const SIZE = { width: 33, height: 33 };

/** A source of moving waves that counts what is read from it. */
export class WaveSource implements FrameSource {
  readonly kind = 'images';
  readonly name = 'waves';
  /** Frames delivered so far. */
  read = 0;

  constructor(
    readonly frameCount: number,
    readonly size: Size = SIZE,
  ) {}

  get width() {
    return this.size.width;
  }

  get height() {
    return this.size.height;
  }

  async *frames({ from = 0, to = this.frameCount, signal }: { from?: number; to?: number; signal?: AbortSignal } = {}) {
    for (let i = from; i < Math.min(to, this.frameCount); i++) {
      signal?.throwIfAborted();
      this.read++;
      yield makeFrame(i, this.size) as Frame;
    }
  }

  [Symbol.asyncIterator]() {
    return this.frames();
  }

  async close() {}
}

/** A label map with rectangles: id, left, top, right, bottom. */
export function rectangles(
  { width, height }: Size,
  ...all: [id: number, x0: number, y0: number, x1: number, y1: number][]
): LabelMap {
  const map = emptyLabelMap(width, height);
  for (const [id, x0, y0, x1, y1] of all) {
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) map.data[y * width + x] = id;
  }
  return map;
}
