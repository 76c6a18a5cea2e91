import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { fields, float32, int32, number, optional, record } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import maskResampleWgsl from './mask-resample.wgsl';
import type { MaskPlan } from './plan.js';

export { type MaskGeometry, type MaskPlan, makeMaskPlan } from './plan.js';

/** Options of the mask operations. */
export interface MaskResampleOptions {
  /** Logits above it are foreground; 0 by default. */
  threshold?: number | undefined;
  /** How far from the threshold the counts of the stability score are taken; 1 by default. */
  offset?: number | undefined;
  /** int32 [K]: only these masks, in this order. */
  selected?: Tensor | undefined;
}

/** What `maskStatistics` counts of a mask, in pixels of the image. */
export interface MaskStatistics {
  /** Pixels above threshold + offset, and above threshold - offset. */
  high: number;
  low: number;
  /** Pixels above the threshold. */
  area: number;
  /** First and last column and row that have foreground, inclusive; zeros for an empty mask. */
  box: [x0: number, y0: number, x1: number, y1: number];
}

const FAR = 0x7fffffff;

type OutputOf = (masks: number, height: number, width: number) => [shape: number[], dtype: 'int32' | 'float32'];

/** Shape and type of what is made of so many masks at a size. */
const OUTPUTS = {
  statistics: (masks: number, _: number, width: number) => [[masks, Math.ceil(width / 64), 8], 'int32'],
  bits: (masks: number, height: number, width: number) => [[masks, width, Math.ceil(height / 32)], 'int32'],
  values: (masks: number, height: number, width: number) => [[masks, height, width], 'float32'],
} satisfies Record<string, OutputOf>;

/** Declares the operation that makes one thing or another of masks where they are resampled. */
function resampling(output: keyof typeof OUTPUTS) {
  const kernel = defineKernel({
    name: `mask-resample/${output}`,
    template: maskResampleWgsl,
    params: { OUTPUT: output },
    optional: ['selected'],
  });
  return defineOp({
    name: `mask-${output}`,
    takes: {
      logits: float32,
      plan: record<Pick<MaskPlan, 'side' | 'columns' | 'rows'>>({ side: number, columns: float32, rows: float32 }),
      options: fields<MaskResampleOptions>({
        threshold: optional(number),
        offset: optional(number),
        selected: optional(int32),
      }),
    },
    kernels: [kernel],
    run(call, logits: Tensor, plan: MaskPlan, options: MaskResampleOptions = {}): Tensor {
      const { threshold = 0, offset = 1, selected } = options;
      const { side, columns, rows } = plan;
      const { height, width } = plan.output;
      if (logits.size === 0 || logits.shape.at(-1) !== side || logits.shape.at(-2) !== side) {
        throw call.wrong(`logits [..., ${side}, ${side}]`, { logits });
      }
      if (selected && selected.rank !== 1) throw call.wrong('selected [K]', { selected });
      if (columns.size !== 4 * width || rows.size !== 4 * height) {
        throw call.wrong(`a plan of columns [${width}, 4] and rows [${height}, 4]`, { columns, rows });
      }
      const masks = selected?.size ?? logits.size / side ** 2;
      const out = call.allocate(...(OUTPUTS[output] as OutputOf)(masks, height, width));
      call.launch(kernel, {
        tensors: { logits, columns, rows, selected, out },
        uniforms: { side, width, height, words: Math.ceil(height / 32), threshold, offset },
        workgroups: [Math.ceil(width / 64), masks],
      });
      return out;
    },
  });
}

/**
 * Counts and boxes of masks at the size of the image, without storing a mask of that size: logits are interpolated to the
 * network's frame and from the part of it that holds the image to the image, both bilinearly with half-pixel centres
 * (Segment Anything, `postprocess_masks`), and counted where they arise. `readMaskStatistics` reads the result.
 *
 * @param logits float32 [..., side, side].
 * @returns int32 [masks, ceil(width / 64), 8]: partial results of strips of 64 columns.
 * @throws ShapeError when the maps are not of the plan's side.
 */
export const maskStatistics = resampling('statistics');

/** Adds up what `maskStatistics` counted; `counts` are its values. */
export function readMaskStatistics(counts: Int32Array, masks: number): MaskStatistics[] {
  const stride = counts.length / masks;
  return Array.from({ length: masks }, (_, mask) => {
    const total = [0, 0, 0, 0, 0, 0, 0];
    for (let at = mask * stride; at < (mask + 1) * stride; at += 8) {
      for (let k = 0; k < 3; k++) total[k]! += counts[at + k]!;
      for (let k = 3; k < 7; k++) total[k] = Math.max(total[k]!, counts[at + k]!);
    }
    const [high, low, area, left, top, right, bottom] = total as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { high, low, area, box: area > 0 ? [FAR - left, FAR - top, right - 1, bottom - 1] : [0, 0, 0, 0] };
  });
}

/**
 * Masks at the size of the image, a bit a pixel: bit `y % 32` of word `y / 32` of a column is row y. Columns are what
 * COCO's run lengths run along.
 *
 * @param logits float32 [..., side, side].
 * @returns int32 [masks, width, ceil(height / 32)].
 * @throws ShapeError when the maps are not of the plan's side.
 * @see Segment Anything, `postprocess_masks`: https://github.com/facebookresearch/segment-anything
 */
export const maskBits = resampling('bits');

/**
 * Mask logits at the size of the image.
 *
 * @param logits float32 [..., side, side].
 * @returns float32 [masks, height, width].
 * @throws ShapeError when the maps are not of the plan's side.
 * @see Segment Anything, `postprocess_masks`: https://github.com/facebookresearch/segment-anything
 */
export const maskValues = resampling('values');
