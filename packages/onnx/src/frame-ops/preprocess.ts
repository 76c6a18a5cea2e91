import { bicubicTable, type FrameOps, IMAGENET, type ResizePlan, ShapeError } from '@samtrack/kernels';
import type { Host } from '../host.js';

/** A resized picture, 8 bits a channel: planes of red, green and blue. */
type Planes = readonly [Uint8ClampedArray, Uint8ClampedArray, Uint8ClampedArray];

/** `preprocess`, with planes of three channels for a result. */
export const preprocess =
  (host: Host): FrameOps['preprocess'] =>
  (pixels, plan, { mean, std } = IMAGENET) => {
    if (pixels.rank !== 2 || pixels.dtype !== 'int32') {
      throw new ShapeError('preprocess', 'int32 pixels [H, W]', { pixels });
    }
    const [inHeight, inWidth] = pixels.shape as [number, number];
    const { height, width } = plan;
    const resize = RESIZES[plan.method];
    const tables = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - m) / std[c]!));
    const layout = { layout: 'image', shape: [1, 3, height, width] } as const;
    const [out] = host.host([pixels], [{ shape: [height, width, 4], layout }], ([words], [planes]) => {
      const bytes = new Uint8Array(words!.buffer, words!.byteOffset, words!.byteLength);
      for (const [c, plane] of resize(bytes, inHeight, inWidth, plan).entries()) {
        const table = tables[c]!;
        const first = c * height * width;
        for (let i = 0; i < plane.length; i++) planes![first + i] = table[plane[i]!]!;
      }
    });
    return out!;
  };

type Resize = (rgba: Uint8Array, inHeight: number, inWidth: number, plan: ResizePlan) => Planes;

const RESIZES: Readonly<Record<ResizePlan['method'], Resize>> = { copy, bicubic, area };

const planesOf = (size: number): Planes => [
  new Uint8ClampedArray(size),
  new Uint8ClampedArray(size),
  new Uint8ClampedArray(size),
];

function copy(rgba: Uint8Array): Planes {
  const out = planesOf(rgba.length / 4);
  for (const [c, plane] of out.entries()) for (let i = 0; i < plane.length; i++) plane[i] = rgba[4 * i + c]!;
  return out;
}

/**
 * In the 11-bit fixed-point arithmetic of OpenCV, without anti-aliasing: rows first, exactly, and rounded to 8 bits at the
 * end.
 */
function bicubic(rgba: Uint8Array, inHeight: number, inWidth: number, { height, width }: ResizePlan): Planes {
  const columns = tapsOf(inWidth, width, 4);
  const rows = tapsOf(inHeight, height, 3 * width);
  const narrow = new Int32Array(inHeight * width * 3);
  for (let y = 0, out = 0; y < inHeight; y++) {
    const row = 4 * y * inWidth;
    for (let x = 0; x < width; x++, out += 3) {
      const tap = 8 * x;
      const [a, b] = [row + columns[tap]!, row + columns[tap + 1]!];
      const [d, e] = [row + columns[tap + 2]!, row + columns[tap + 3]!];
      const [wa, wb] = [columns[tap + 4]!, columns[tap + 5]!];
      const [wd, we] = [columns[tap + 6]!, columns[tap + 7]!];
      narrow[out] = wa * rgba[a]! + wb * rgba[b]! + wd * rgba[d]! + we * rgba[e]!;
      narrow[out + 1] = wa * rgba[a + 1]! + wb * rgba[b + 1]! + wd * rgba[d + 1]! + we * rgba[e + 1]!;
      narrow[out + 2] = wa * rgba[a + 2]! + wb * rgba[b + 2]! + wd * rgba[d + 2]! + we * rgba[e + 2]!;
    }
  }
  const out = planesOf(height * width);
  for (let y = 0; y < height; y++) {
    const [a, b, d, e, wa, wb, wd, we] = rows.subarray(8 * y, 8 * y + 8) as unknown as [
      ...[number, number, number, number],
      ...[number, number, number, number],
    ];
    for (let c = 0; c < 3; c++) {
      const plane = out[c]!;
      for (let x = 0, at = c; x < width; x++, at += 3) {
        const sum = wa * narrow[a + at]! + wb * narrow[b + at]! + wd * narrow[d + at]! + we * narrow[e + at]!;
        plane[y * width + x] = (sum + (1 << 21)) >> 22;
      }
    }
  }
  return out;
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
function area(rgba: Uint8Array, inHeight: number, inWidth: number, { height, width }: ResizePlan): Planes {
  const out = planesOf(height * width);
  const [stepX, stepY] = [inWidth / width, inHeight / height];
  const narrow = new Float64Array(inHeight * width);
  for (const [c, plane] of out.entries()) {
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
        plane[y * width + x] = Math.floor(sum / covered + 0.5);
      }
    }
  }
  return out;
}
