import { bicubicTable, type FrameOps, IMAGENET, type ResizePlan, ShapeError } from '@samtrack/kernels';
import type { OnnxEngine } from '../engine.js';

/** A resized picture, 8 bits a channel: planes of red, green and blue. */
type Planes = readonly [Uint8ClampedArray, Uint8ClampedArray, Uint8ClampedArray];

/** `preprocess`, with planes of three channels for a result. */
export const preprocess =
  (engine: OnnxEngine): FrameOps['preprocess'] =>
  (pixels, plan, { mean, std } = IMAGENET) => {
    if (pixels.rank !== 2 || pixels.dtype !== 'int32') {
      throw new ShapeError('preprocess', 'int32 pixels [H, W]', { pixels });
    }
    const [inHeight, inWidth] = pixels.shape as [number, number];
    const { height, width } = plan;
    const resize = RESIZES[plan.method];
    const tables = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - m) / std[c]!));
    const layout = { layout: 'image', shape: [1, 3, height, width] } as const;
    const [out] = engine.host([pixels], [{ shape: [height, width, 4], layout }], ([words], [planes]) => {
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
  const columns = bicubicTable(inWidth, width);
  const rows = bicubicTable(inHeight, height);
  const out = planesOf(height * width);
  const clamp = (i: number, length: number) => Math.min(Math.max(i, 0), length - 1);
  const narrow = new Int32Array(inHeight * width);
  const sources = Int32Array.from({ length: 4 * width }, (_, i) => {
    const first = columns[5 * (i >> 2)]!;
    return 4 * clamp(first + (i & 3), inWidth);
  });
  for (const [c, plane] of out.entries()) {
    for (let y = 0; y < inHeight; y++) {
      const row = 4 * y * inWidth + c;
      for (let x = 0; x < width; x++) {
        narrow[y * width + x] =
          columns[5 * x + 1]! * rgba[row + sources[4 * x]!]! +
          columns[5 * x + 2]! * rgba[row + sources[4 * x + 1]!]! +
          columns[5 * x + 3]! * rgba[row + sources[4 * x + 2]!]! +
          columns[5 * x + 4]! * rgba[row + sources[4 * x + 3]!]!;
      }
    }
    for (let y = 0; y < height; y++) {
      const first = rows[5 * y]!;
      const [a, b, d, e] = [0, 1, 2, 3].map((i) => width * clamp(first + i, inHeight)) as [
        number,
        number,
        number,
        number,
      ];
      const [wa, wb, wd, we] = [rows[5 * y + 1]!, rows[5 * y + 2]!, rows[5 * y + 3]!, rows[5 * y + 4]!];
      for (let x = 0; x < width; x++) {
        const sum = wa * narrow[a + x]! + wb * narrow[b + x]! + wd * narrow[d + x]! + we * narrow[e + x]!;
        plane[y * width + x] = (sum + (1 << 21)) >> 22;
      }
    }
  }
  return out;
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
