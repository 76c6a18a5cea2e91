import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { int32, numbers, optional, record } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import preprocessWgsl from './preprocess.wgsl';

const normalise = defineKernel({ name: 'preprocess', template: preprocessWgsl });

/** Mean and standard deviation of the ImageNet images, on a scale of 0..1. */
export const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** Per-channel statistics for normalisation, on a scale of 0..1. */
export interface ImageStatistics {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** First source pixel and four fixed-point weights (sum 2048) of each output pixel along one axis, as OpenCV computes them. */
export function bicubicTable(input: number, output: number): Int32Array {
  const table = new Int32Array(output * 5);
  const scale = input / output;
  for (let i = 0; i < output; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    const first = Math.floor(position);
    const t = Math.fround(position - first);
    const a = -0.75;
    const weights = [
      ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
      ((a + 2) * t - (a + 3)) * t * t + 1,
      ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1,
    ];
    weights.push(1 - weights[0]! - weights[1]! - weights[2]!);
    table[i * 5] = first - 1;
    weights.forEach((w, j) => {
      table[i * 5 + 1 + j] = roundHalfEven(Math.fround(w) * 2048);
    });
  }
  return table;
}

/** Rounds to the nearest integer, halves to the even one, as C's `rint` does. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * How frames are brought to the network's size. `bicubic` (OpenCV's, without anti-aliasing) is what the published models
 * were evaluated with, on frames that hardly change size; `area` averages, and is what strong reduction needs.
 */
export type ResizeMethod = 'bicubic' | 'area';

/** Reduction from which bicubic sampling skips so many pixels that averaging is the better resize. */
const AREA_FROM = 1.5;

/** A resize from one size to another, prepared once. */
export interface ResizePlan {
  /** Size of what is resized. */
  inHeight: number;
  inWidth: number;
  height: number;
  width: number;
  /** `copy` where the size does not change. */
  method: ResizeMethod | 'copy';
  /** What a bicubic resize reads. */
  tables?: { columns: Tensor; rows: Tensor };
}

/** The resize that suits a change of size: bicubic, or area where a side shrinks to less than two thirds. */
export const suitableResize = (inHeight: number, inWidth: number, height: number, width: number): ResizeMethod =>
  Math.max(inHeight / height, inWidth / width) > AREA_FROM ? 'area' : 'bicubic';

/** Prepares a resize. */
export function makeResizePlan(
  inHeight: number,
  inWidth: number,
  height: number,
  width: number,
  method: ResizeMethod = suitableResize(inHeight, inWidth, height, width),
): ResizePlan {
  const sizes = { inHeight, inWidth, height, width };
  if (inHeight === height && inWidth === width) return { method: 'copy', ...sizes };
  if (method === 'area') return { method, ...sizes };
  return {
    ...sizes,
    method,
    tables: {
      columns: tensor(bicubicTable(inWidth, width), [width, 5], 'int32'),
      rows: tensor(bicubicTable(inHeight, height), [height, 5], 'int32'),
    },
  };
}

/**
 * A network's input from 8-bit pixels: resize to 8-bit pixels again, then normalisation.
 *
 * @param pixels int32 [H, W], each word the bytes R, G, B, A in memory order.
 * @returns float32 [plan.height, plan.width, 4]; the fourth channel is zero.
 * @throws ShapeError when `pixels` are not of the size that the plan was made for.
 * @see OpenCV, `resize` of 8-bit images: https://docs.opencv.org/4.x/da/d54/group__imgproc__transform.html
 */
export const preprocess = defineOp({
  name: 'preprocess',
  takes: {
    pixels: int32,
    plan: record<Pick<ResizePlan, 'tables'>>({
      tables: optional(record<NonNullable<ResizePlan['tables']>>({ columns: int32, rows: int32 })),
    }),
    statistics: optional(record<ImageStatistics>({ mean: numbers, std: numbers })),
  },
  kernels: [normalise],
  run(call, pixels: Tensor, plan: ResizePlan, { mean, std }: ImageStatistics = IMAGENET): Tensor {
    const { inHeight, inWidth, height, width, method, tables } = plan;
    if (pixels.rank !== 2 || pixels.shape[0] !== inHeight || pixels.shape[1] !== inWidth) {
      throw call.wrong(`pixels [${inHeight}, ${inWidth}], for which the plan was made,`, { pixels });
    }
    if (tables && (tables.columns.size !== 5 * width || tables.rows.size !== 5 * height)) {
      throw call.wrong(`tables [${width}, 5] and [${height}, 5]`, { ...tables });
    }
    const out = call.allocate([height, width, 4]);
    const [meanR, meanG, meanB] = mean;
    const [stdR, stdG, stdB] = std;
    call.launch(normalise, {
      params: { METHOD: method },
      tensors: { pixels, out, ...tables },
      uniforms: { inWidth, inHeight, outWidth: width, outHeight: height, meanR, meanG, meanB, stdR, stdG, stdB },
      invocations: height * width,
    });
    return out;
  },
});
