import { type Engine, filterPixels, getEngine } from '@samtrack/kernels';
import { dispose, type Tensor, type Tensor3D, tensor } from '@tensorflow/tfjs-core';
import { channelsOf, checkSize, type PixelImage } from './pixels.js';
import { filterTaps, type ResizeFilter, resizeAntialiased, type Taps } from './resize-antialiased.js';

/** How pixels become the input of a network. */
export interface NetworkInput {
  /** What the picture is resized to, as `resizeAntialiased` does. */
  readonly height: number;
  readonly width: number;
  /** What the bytes of red, green and blue become: 256 values each. */
  readonly table: readonly Float32Array[];
  /** `bilinear` by default. */
  readonly filter?: ResizeFilter;
  /** A fourth channel is zero. */
  readonly channels: 3 | 4;
  /** What is filled up with zeros, below and at the right; the size itself by default. */
  readonly frame?: { readonly height: number; readonly width: number };
}

/** Size of the last picture. */
const lastSizes = new WeakMap<Engine, string>();

/** Gives back what pictures of another size have left in the pool of tensors, where it would pile up from size to size. */
function trimForeign(runtime: Engine, { height, width, data }: PixelImage): void {
  const size = [height, width, data.length].join();
  const last = lastSizes.get(runtime);
  lastSizes.set(runtime, size);
  if (last !== undefined && last !== size) runtime.trim();
}

/**
 * A picture as a network takes it, resized and normalised on the GPU: bit by bit what `resizeAntialiased` gives and the table
 * makes of it, without the time that takes on the CPU.
 * @returns float32 [h, w, channels] of the frame.
 * @throws ImageError for a malformed picture or a size that is none.
 */
export function networkInput(
  image: PixelImage,
  { height, width, table, channels, frame, filter }: NetworkInput,
): Tensor3D {
  const sourceChannels = channelsOf(image);
  checkSize(width, height);
  const runtime = getEngine();
  const { maxTensorBytes: maxBindingBytes } = runtime;
  const words = Math.ceil(image.data.length / 4);
  // What no binding covers has to become smaller first.
  if (
    4 * Math.max(words, image.height * width) > maxBindingBytes &&
    (width !== image.width || height !== image.height)
  ) {
    const resized = resizeAntialiased(image, width, height, filter);
    return networkInput(resized, { height, width, table, channels, frame });
  }
  trimForeign(runtime, image);
  const pixels = runtime.allocate([words], 'int32');
  const operands = {
    columns: tapsTensor(filterTaps(image.width, width, filter)),
    rows: tapsTensor(filterTaps(image.height, height, filter)),
    table: tensor(Float32Array.from(table.flatMap((values) => [...values])), [3, 256]),
  };
  try {
    runtime.write(pixels, wholeWords(image.data));
    const input = { height: image.height, width: image.width, channels: sourceChannels };
    return filterPixels(pixels, {
      input,
      ...operands,
      channels,
      ...(frame ? { frame } : {}),
    }) as Tensor3D;
  } finally {
    pixels.dispose();
    dispose(operands);
  }
}

/** Bytes as they can be uploaded: a multiple of four. */
function wholeWords(data: PixelImage['data']): Uint8Array<ArrayBuffer> {
  if (data.length % 4 === 0 && data.byteOffset % 4 === 0 && data.buffer instanceof ArrayBuffer) {
    return new Uint8Array(data.buffer, data.byteOffset, data.length);
  }
  const out = new Uint8Array(Math.ceil(data.length / 4) * 4);
  out.set(data);
  return out;
}

/** A row for each output: first source sample, their number, their weights. */
function tapsTensor({ width, first, counts, weights }: Taps): Tensor {
  const values = new Int32Array(first.length * (2 + width));
  for (let i = 0; i < first.length; i++) {
    values[i * (2 + width)] = first[i]!;
    values[i * (2 + width) + 1] = counts[i]!;
    values.set(weights.subarray(i * width, (i + 1) * width), i * (2 + width) + 2);
  }
  return tensor(values, [first.length, 2 + width], 'int32');
}
