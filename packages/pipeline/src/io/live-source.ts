import { FrameError, SourceError } from './errors.js';
import type { Frame, FrameRange, OpenedSource } from './frame-source.js';
import type { RgbaImage } from './image-source.js';
import { frameNumber } from './video-source.js';

/** A picture from a camera or a stream; without a time it gets that of its arrival. */
export type LiveFrame = RgbaImage & { time?: number };

/** Options of `liveSource`. */
export interface LiveSourceOptions {
  /** Default `live`. */
  name?: string | undefined;
  /** Nominal frames per second. */
  fps?: number | undefined;
  /** Latest frames that can still be asked for; 2. */
  keep?: number | undefined;
  /** Take only the newest picture when the reader is slower than the source, as with a camera. Default false: all of them. */
  latest?: boolean | undefined;
}

/**
 * A frame source over pictures that come one after the other and only once: a camera, a stream, the output of a program.
 * Only the latest frames are kept; frames before them are gone, and asking for one is a `SourceError`. Indices count what is
 * delivered. Waits for the first picture, which gives the size; one of another size is a `FrameError`.
 *
 * @throws SourceError `no-frames` when the stream ends before its first picture
 */
export async function liveSource(
  pictures: AsyncIterable<LiveFrame>,
  options: LiveSourceOptions = {},
): Promise<OpenedSource> {
  const name = options.name ?? 'live';
  const iterator = pictures[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) throw new SourceError('no-frames', name, 'the stream ended before its first frame');
  return new LiveSource(name, iterator, first.value, options);
}

class LiveSource implements OpenedSource {
  readonly kind = 'live';
  readonly width: number;
  readonly height: number;
  readonly fps?: number;
  /** Latest frames, ascending. */
  readonly #kept: Frame[] = [];
  readonly #keep: number;
  readonly #began = performance.now();
  #next = 0;
  #ended = false;
  #closed = false;
  #pulling: Promise<void> | undefined;
  /** The newest picture that nobody has taken yet, and whoever waits for it; only with `latest`. */
  #newest: LiveFrame | undefined;
  #pump: { failure?: unknown; wake?: () => void } | undefined;

  constructor(
    readonly name: string,
    private readonly iterator: AsyncIterator<LiveFrame>,
    first: LiveFrame,
    { fps, keep = 2, latest = false }: LiveSourceOptions,
  ) {
    this.width = first.width;
    this.height = first.height;
    this.fps = fps;
    this.#keep = Math.max(1, keep);
    this.#admit(first);
    if (latest) void this.#run((this.#pump = {}));
  }

  /** Known once the stream has ended. */
  get frameCount(): number | undefined {
    return this.#ended ? this.#next : undefined;
  }

  async *frames({ from = 0, to = Number.POSITIVE_INFINITY, signal }: FrameRange = {}): AsyncGenerator<Frame> {
    for (let index = from; index < to; index++) {
      while (index >= this.#next) {
        signal?.throwIfAborted();
        if (this.#closed) throw new SourceError('closed', this.name, 'the source was closed');
        if (this.#ended) return;
        await orAborted(this.#pull(), signal);
      }
      signal?.throwIfAborted();
      const frame = this.#kept.find((kept) => kept.index === index);
      if (!frame) {
        const oldest = this.#kept[0]!.index;
        throw new SourceError(
          'bad-option',
          this.name,
          `frame ${index} is gone: a live source keeps ${oldest} and later`,
        );
      }
      yield frame;
    }
  }

  [Symbol.asyncIterator]() {
    return this.frames();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#pump?.wake?.();
    await this.iterator.return?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Waits for one more frame. Several readers wait for the same one. */
  #pull(): Promise<void> {
    this.#pulling ??= this.#take().finally(() => {
      this.#pulling = undefined;
    });
    return this.#pulling;
  }

  async #take(): Promise<void> {
    const pump = this.#pump;
    if (!pump) {
      const { done, value } = await this.iterator.next();
      if (done) this.#ended = true;
      else this.#admit(value);
      return;
    }
    while (!this.#newest && !this.#ended && !this.#closed) {
      if (pump.failure) throw pump.failure;
      await new Promise<void>((resolve) => {
        pump.wake = resolve;
      });
    }
    const newest = this.#newest;
    this.#newest = undefined;
    if (newest) this.#admit(newest);
  }

  /** Reads on without waiting for anybody. */
  async #run(pump: { failure?: unknown; wake?: () => void }): Promise<void> {
    try {
      while (!this.#closed) {
        const { done, value } = await this.iterator.next();
        if (done) break;
        this.#newest = value;
        pump.wake?.();
      }
      // What came last is still to be taken.
      while (this.#newest && !this.#closed) await new Promise((resolve) => setTimeout(resolve, 1));
      this.#ended = true;
    } catch (error) {
      pump.failure = error;
    }
    pump.wake?.();
  }

  #admit({ width, height, rgba, time }: LiveFrame): void {
    const index = this.#next;
    if (width !== this.width || height !== this.height) {
      throw new FrameError(
        'size-mismatch',
        this.name,
        index,
        `the picture has ${width}x${height} pixels, the first one had ${this.width}x${this.height}`,
      );
    }
    const seconds = time ?? (performance.now() - this.#began) / 1000;
    this.#kept.push({ index, time: seconds, name: frameNumber(index), width, height, rgba });
    if (this.#kept.length > this.#keep) this.#kept.shift();
    this.#next++;
  }
}

/** Waits for something, but not longer than until the signal. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
