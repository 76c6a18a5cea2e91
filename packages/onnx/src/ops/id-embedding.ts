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
    const [out] = host.host([labels, sums, bias], [{ shape }], ([map, table, offset], [target]) => {
      const classMap = new Uint8Array(height * width);
      for (let y = 0; y < height; y++) {
        const row = sourceRows[y]! * labelWidth;
        for (let x = 0; x < width; x++) {
          const id = map![row + sourceColumns[x]!]! - firstId + 1;
          if (id > 0 && id < classes) classMap[y * width + x] = id;
        }
      }
      const whole = windowSums(table!, classes, kernel, channels);
      const bank = { table: table!, whole, kernel, channels };
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

/** Of each class, the sum of all its weights, [classes, channels]. */
function windowSums(table: Values, classes: number, kernel: number, channels: number): Float32Array {
  const out = new Float32Array(classes * channels);
  for (let id = 0; id < classes; id++) {
    for (let y = 0; y < kernel; y++) {
      const last = ((id * kernel + y) * (kernel + 1) + kernel) * channels;
      for (let c = 0; c < channels; c++) out[id * channels + c]! += table[last + c]!;
    }
  }
  return out;
}

/** Adds the weights of a window of classes; what is outside of the image has none. */
function embedWindow(
  embedding: Values,
  classes: Uint8Array,
  { height, width }: { height: number; width: number },
  top: number,
  left: number,
  { table, whole, kernel, channels }: { table: Values; whole: Float32Array; kernel: number; channels: number },
): void {
  const add = (source: ArrayLike<number>, at: number) => {
    for (let c = 0; c < channels; c++) embedding[c]! += source[at + c]!;
  };
  if (top >= 0 && left >= 0 && top + kernel <= height && left + kernel <= width) {
    const id = classes[top * width + left]!;
    if (isUniform(classes, id, top * width + left, kernel, width)) {
      add(whole, id * channels);
      return;
    }
  }
  const end = Math.min(left + kernel, width);
  for (let y = Math.max(top, 0); y < Math.min(top + kernel, height); y++) {
    for (let x = Math.max(left, 0); x < end; ) {
      const first = x;
      const id = classes[y * width + x]!;
      while (x < end && classes[y * width + x] === id) x++;
      const sums = (id * kernel + y - top) * (kernel + 1);
      add(table, (sums + x - left) * channels);
      const before = (sums + first - left) * channels;
      if (first > left) for (let c = 0; c < channels; c++) embedding[c]! -= table[before + c]!;
    }
  }
}

function isUniform(classes: Uint8Array, id: number, first: number, kernel: number, width: number): boolean {
  for (let y = 0; y < kernel; y++) {
    const row = first + y * width;
    for (let x = 0; x < kernel; x++) if (classes[row + x] !== id) return false;
  }
  return true;
}
