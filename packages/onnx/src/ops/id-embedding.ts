import { convOutput, type OpSet, ShapeError } from '@samtrack/kernels';
import type { Host } from '../host.js';
import type { Values } from '../tensors.js';

/** For each of `output` positions the one of `input` that a nearest-neighbour resize reads. */
const nearest = (input: number, output: number) =>
  Int32Array.from({ length: output }, (_, i) => Math.floor((i * input) / output));

/**
 * `idEmbedding`, not as the convolution that it is: a window of labels is few runs of equal ones, whose weights' sums are known, and
 * mostly a single one.
 */
export const idEmbedding =
  (host: Host): OpSet['idEmbedding'] =>
  (labels, { sums, bias }, { height, width, stride, padding, firstId = 1 }) => {
    if (labels.rank !== 2 || labels.dtype !== 'int32') {
      throw new ShapeError('idEmbedding', 'an int32 label map [H, W]', { labels });
    }
    const [classes, kernel, , channels] = sums.shape as [number, number, number, number];
    const [labelHeight, labelWidth] = labels.shape as [number, number];
    const [rows, columns] = [height, width].map((length) => convOutput(length, kernel, stride, 1, 2 * padding));
    const [sourceRows, sourceColumns] = [nearest(labelHeight, height), nearest(labelWidth, width)];
    const shape = [rows! * columns!, channels];
    let bank: Bank | undefined;
    const [out] = host.host([labels, sums, bias], [{ shape }], ([map, table, offset], [target]) => {
      const classMap = new Uint8Array(height * width);
      for (let y = 0; y < height; y++) {
        const row = sourceRows[y]! * labelWidth;
        for (let x = 0; x < width; x++) {
          const id = map![row + sourceColumns[x]!]! - firstId + 1;
          if (id > 0 && id < classes) classMap[y * width + x] = id;
        }
      }
      // The same for all frames, where this is replayed.
      if (bank?.table !== table) bank = bankOf(table!, classes, kernel, channels);
      for (let r = 0; r < rows!; r++) {
        for (let c = 0; c < columns!; c++) {
          const embedding = target!.subarray((r * columns! + c) * channels, (r * columns! + c + 1) * channels);
          embedding.set(offset!);
          embedWindow(embedding, classMap, { height, width }, r * stride - padding, c * stride - padding, bank);
        }
      }
    });
    return out!;
  };

/** Sums of weights. Class 0 is the background. */
interface Bank {
  readonly kernel: number;
  readonly channels: number;
  /** Of the first columns of a row of the kernel, [classes, kernel, kernel + 1, channels]. */
  readonly table: Values;
  /** The same, less those of the background. */
  readonly beyond: Float32Array;
  /** Of all weights of a class, [classes, channels]. */
  readonly whole: Float32Array;
}

function bankOf(table: Values, classes: number, kernel: number, channels: number): Bank {
  const whole = new Float32Array(classes * channels);
  for (let id = 0; id < classes; id++) {
    for (let y = 0; y < kernel; y++) {
      const last = ((id * kernel + y) * (kernel + 1) + kernel) * channels;
      for (let c = 0; c < channels; c++) whole[id * channels + c]! += table[last + c]!;
    }
  }
  const size = kernel * (kernel + 1) * channels;
  // A loop: `from` with a function takes a tenth of a second for a million values.
  const beyond = new Float32Array(table.length);
  for (let i = 0; i < table.length; i++) beyond[i] = table[i]! - table[i % size]!;
  return { kernel, channels, table, beyond, whole };
}

/** Adds the weights of a window of classes; what is outside of the image has none. */
function embedWindow(
  embedding: Values,
  classes: Uint8Array,
  { height, width }: { height: number; width: number },
  top: number,
  left: number,
  { kernel, channels, table, beyond, whole }: Bank,
): void {
  const isInside = top >= 0 && left >= 0 && top + kernel <= height && left + kernel <= width;
  if (isInside) {
    const id = classes[top * width + left]!;
    const uniform = isUniform(classes, id, top * width + left, kernel, width);
    // Else it is background but for the objects in it, which are few runs.
    const from = uniform ? id * channels : 0;
    for (let c = 0; c < channels; c++) embedding[c]! += whole[from + c]!;
    if (uniform) return;
  }
  const sums = isInside ? beyond : table;
  const end = Math.min(left + kernel, width);
  for (let y = Math.max(top, 0); y < Math.min(top + kernel, height); y++) {
    for (let x = Math.max(left, 0); x < end; ) {
      const first = x;
      const id = classes[y * width + x]!;
      while (x < end && classes[y * width + x] === id) x++;
      if (isInside && id === 0) continue;
      const row = (id * kernel + y - top) * (kernel + 1);
      addRun(embedding, sums, (row + first - left) * channels, (row + x - left) * channels);
    }
  }
}

/** Adds the sum of a row's weights up to its last column, less that before its first one. */
function addRun(embedding: Values, sums: Values | Float32Array, before: number, last: number): void {
  for (let c = 0; c < embedding.length; c++) embedding[c]! += sums[last + c]! - sums[before + c]!;
}

function isUniform(classes: Uint8Array, id: number, first: number, kernel: number, width: number): boolean {
  for (let y = 0; y < kernel; y++) {
    const row = first + y * width;
    for (let x = 0; x < kernel; x++) if (classes[row + x] !== id) return false;
  }
  return true;
}
