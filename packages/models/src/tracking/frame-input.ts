import { type Engine, makeResizePlan, preprocess, type ResizePlan } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { disposeAll } from '../nn/tidy.js';
import { TrackerError } from './errors.js';
import type { Size } from './tracker.js';

/** @throws TrackerError `size` unless the bytes are a frame's */
export function checkPixels(pixels: Uint8Array, { height, width }: Size): void {
  if (pixels.length === height * width * 4) return;
  throw new TrackerError(
    'size',
    `A frame of ${width}x${height} RGBA pixels has ${height * width * 4} bytes, got ${pixels.length}.`,
  );
}

/** @throws TrackerError `size` unless the labels are those of a frame */
export function checkLabels(labels: ArrayLike<number>, { height, width }: Size): void {
  if (labels.length === height * width) return;
  throw new TrackerError(
    'size',
    `A label map of ${width}x${height} has ${height * width} pixels, got ${labels.length}.`,
  );
}

/** Where the frames of a video go in: their pixels, and how these become the network's input. */
export class FrameInput {
  readonly #plan: ResizePlan;
  readonly #pixels: Tensor;

  constructor(
    private readonly engine: Engine,
    /** Size of the video's frames. */
    readonly size: Size,
    network: Size,
  ) {
    // First what fails where the GPU is lost, so that nothing is left behind.
    this.#pixels = engine.allocate([size.height, size.width], 'int32');
    this.#plan = makeResizePlan(size.height, size.width, network.height, network.width);
  }

  /** Takes a frame in. @param pixels RGBA bytes. @throws TrackerError `size` */
  write(pixels: Uint8Array): void {
    checkPixels(pixels, this.size);
    const aligned =
      pixels.byteOffset % 4 === 0 && pixels.buffer instanceof ArrayBuffer ? pixels : new Uint8Array(pixels);
    this.engine.write(this.#pixels, aligned as Uint8Array<ArrayBuffer>);
  }

  /** The frame reduced and normalised, float32 [H, W, 4]; the caller's to dispose. */
  image(): Tensor {
    return preprocess(this.#pixels, this.#plan);
  }

  dispose(): void {
    this.#pixels.dispose();
    disposeAll(this.#plan.tables);
  }
}
