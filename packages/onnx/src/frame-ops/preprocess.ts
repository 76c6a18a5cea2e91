import { bicubicTable, type FrameOps, IMAGENET, type ResizePlan, ShapeError } from '@samtrack/kernels';
import type { Host } from '../host.js';
import type { Values } from '../tensors.js';

/** For each channel, what becomes of its 256 values. */
type Tables = readonly Float32Array[];

/** Resizes pixels and looks their values up: to planes of red, green and blue, one after the other. */
type Resize = (rgba: Uint8Array, tables: Tables, planes: Values) => void;

/** `preprocess`, with planes of three channels for a result. */
export const preprocess =
  (host: Host): FrameOps['preprocess'] =>
  (pixels, plan, { mean, std } = IMAGENET) => {
    if (pixels.rank !== 2 || pixels.dtype !== 'int32') {
      throw new ShapeError('preprocess', 'int32 pixels [H, W]', { pixels });
    }
    const [inHeight, inWidth] = pixels.shape as [number, number];
    const { height, width } = plan;
    // Made once for all frames, where this is replayed.
    const resize = RESIZES[plan.method](inHeight, inWidth, plan);
    const tables = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - m) / std[c]!));
    const layout = { layout: 'image', shape: [1, 3, height, width] } as const;
    const [out] = host.host([pixels], [{ shape: [height, width, 4], layout }], ([words], [planes]) => {
      resize(new Uint8Array(words!.buffer, words!.byteOffset, words!.byteLength), tables, planes!);
    });
    return out!;
  };

type MakeResize = (inHeight: number, inWidth: number, plan: ResizePlan) => Resize;

const RESIZES: Readonly<Record<ResizePlan['method'], MakeResize>> = { copy, bicubic, area };

function copy(): Resize {
  return (rgba, tables, planes) => {
    const size = rgba.length / 4;
    for (const [c, table] of tables.entries()) {
      for (let i = 0; i < size; i++) planes[c * size + i] = table[rgba[4 * i + c]!]!;
    }
  };
}

/**
 * In the 11-bit fixed-point arithmetic of OpenCV, without anti-aliasing: rows first, exactly, and rounded to 8 bits at the
 * end.
 */
function bicubic(inHeight: number, inWidth: number, { height, width }: ResizePlan): Resize {
  const columns = tapsOf(inWidth, width, 4);
  const rows = tapsOf(inHeight, height, 1);
  /** The latest source rows, resized. A row's place follows from its number, so that any four neighbours are there. */
  const narrow = Array.from({ length: 4 }, () => new Int32Array(3 * width));
  const held = new Int32Array(4);
  const narrowRow = (rgba: Uint8Array, y: number): Int32Array => {
    const target = narrow[y & 3]!;
    if (held[y & 3] !== y) narrowInto(target, rgba, 4 * y * inWidth, columns);
    held[y & 3] = y;
    return target;
  };
  const line = new Uint8ClampedArray(3 * width);
  return (rgba, tables, planes) => {
    held.fill(-1);
    for (let y = 0; y < height; y++) {
      const tap = 8 * y;
      const [a, b] = [narrowRow(rgba, rows[tap]!), narrowRow(rgba, rows[tap + 1]!)];
      const [d, e] = [narrowRow(rgba, rows[tap + 2]!), narrowRow(rgba, rows[tap + 3]!)];
      mix(line, [a, b, d, e], rows.subarray(tap + 4, tap + 8));
      for (const [c, table] of tables.entries()) {
        const first = (c * height + y) * width;
        for (let x = 0, at = c; x < width; x++, at += 3) planes[first + x] = table[line[at]!]!;
      }
    }
  };
}

/** Resizes the pixels of a row, from `row` on, to three channels. */
function narrowInto(target: Int32Array, rgba: Uint8Array, row: number, columns: Int32Array): void {
  for (let out = 0, tap = 0; out < target.length; out += 3, tap += 8) {
    const a = row + columns[tap]!;
    const b = row + columns[tap + 1]!;
    const d = row + columns[tap + 2]!;
    const e = row + columns[tap + 3]!;
    const wa = columns[tap + 4]!;
    const wb = columns[tap + 5]!;
    const wd = columns[tap + 6]!;
    const we = columns[tap + 7]!;
    target[out] = Math.imul(wa, rgba[a]!) + Math.imul(wb, rgba[b]!) + Math.imul(wd, rgba[d]!) + Math.imul(we, rgba[e]!);
    target[out + 1] =
      Math.imul(wa, rgba[a + 1]!) +
      Math.imul(wb, rgba[b + 1]!) +
      Math.imul(wd, rgba[d + 1]!) +
      Math.imul(we, rgba[e + 1]!);
    target[out + 2] =
      Math.imul(wa, rgba[a + 2]!) +
      Math.imul(wb, rgba[b + 2]!) +
      Math.imul(wd, rgba[d + 2]!) +
      Math.imul(we, rgba[e + 2]!);
  }
}

/** The weighted sum of four rows, rounded to 8 bits. */
function mix(target: Uint8ClampedArray, [a, b, d, e]: readonly Int32Array[], weights: Int32Array): void {
  const [wa, wb, wd, we] = weights as unknown as [number, number, number, number];
  for (let i = 0; i < target.length; i++) {
    target[i] =
      (Math.imul(wa, a![i]!) + Math.imul(wb, b![i]!) + Math.imul(wd, d![i]!) + Math.imul(we, e![i]!) + (1 << 21)) >> 22;
  }
}

/** For each output of an axis the places of four inputs, clamped to the axis and times `stride`, and their weights. */
function tapsOf(inputs: number, outputs: number, stride: number): Int32Array {
  const table = bicubicTable(inputs, outputs);
  return Int32Array.from({ length: 8 * outputs }, (_, i) => {
    const [output, k] = [i >> 3, i & 7];
    if (k >= 4) return table[5 * output + k - 3]!;
    return stride * Math.min(Math.max(table[5 * output]! + k, 0), inputs - 1);
  });
}

/** The mean of the source pixels that an output pixel covers, those at its edges in part. */
function area(inHeight: number, inWidth: number, { height, width }: ResizePlan): Resize {
  const [stepX, stepY] = [inWidth / width, inHeight / height];
  return (rgba, tables, planes) => {
    const narrow = new Float64Array(inHeight * width);
    for (const [c, table] of tables.entries()) {
      const first = c * height * width;
      for (let x = 0; x < width; x++) {
        const left = x * stepX;
        const right = Math.min(left + stepX, inWidth);
        for (let y = 0; y < inHeight; y++) {
          let sum = 0;
          for (let column = Math.floor(left); column < Math.ceil(right); column++) {
            const share = Math.min(right, column + 1) - Math.max(left, column);
            sum += share * rgba[4 * (y * inWidth + column) + c]!;
          }
          narrow[y * width + x] = sum;
        }
      }
      for (let y = 0; y < height; y++) {
        const top = y * stepY;
        const bottom = Math.min(top + stepY, inHeight);
        for (let x = 0; x < width; x++) {
          let sum = 0;
          for (let row = Math.floor(top); row < Math.ceil(bottom); row++) {
            sum += (Math.min(bottom, row + 1) - Math.max(top, row)) * narrow[row * width + x]!;
          }
          const covered = (Math.min((x + 1) * stepX, inWidth) - x * stepX) * (bottom - top);
          planes[first + y * width + x] = table[Math.min(Math.floor(sum / covered + 0.5), 255)]!;
        }
      }
    }
  };
}
