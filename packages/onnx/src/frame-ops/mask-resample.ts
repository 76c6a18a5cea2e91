import { type FrameOps, type MaskPlan, ShapeError } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Host, HostOutput } from '../host.js';
import type { Values } from '../tensors.js';

/** What becomes of the logits of a mask's columns, from the left to the right. */
type Column = (x: number, values: Float32Array) => void;

/** Passes each column of each mask, at the size of the image, to what `each` gives for the mask. */
function resample(
  host: Host,
  logits: Tensor,
  plan: MaskPlan,
  selected: Tensor | undefined,
  output: (masks: number) => HostOutput,
  each: (out: Values, mask: number) => Column,
): Tensor {
  const { side } = plan;
  const { height, width } = plan.output;
  if (logits.size === 0 || logits.shape.at(-1) !== side || logits.shape.at(-2) !== side) {
    throw new ShapeError('maskResample', `logits [..., ${side}, ${side}]`, { logits });
  }
  if (selected && (selected.rank !== 1 || selected.dtype !== 'int32')) {
    throw new ShapeError('maskResample', 'selected int32 [K]', { selected });
  }
  const masks = selected?.size ?? logits.size / side ** 2;
  const reads = [logits, plan.columns, plan.rows, ...(selected ? [selected] : [])];
  const [result] = host.host(reads, [output(masks)], ([maps, columns, rows, chosen], [out]) => {
    const narrow = new Float32Array(side);
    const column = new Float32Array(height);
    for (let mask = 0; mask < masks; mask++) {
      const map = maps!.subarray((chosen?.[mask] ?? mask) * side ** 2);
      const take = each(out!, mask);
      for (let x = 0; x < width; x++) {
        const first = columns![4 * x]!;
        const [a, b, c] = [columns![4 * x + 1]!, columns![4 * x + 2]!, columns![4 * x + 3]!];
        for (let y = 0; y < side; y++) {
          const at = y * side + first;
          narrow[y] = a * map[at]! + b * map[at + 1]! + c * map[at + 2]!;
        }
        for (let y = 0; y < height; y++) {
          const at = rows![4 * y]!;
          column[y] =
            rows![4 * y + 1]! * narrow[at]! + rows![4 * y + 2]! * narrow[at + 1]! + rows![4 * y + 3]! * narrow[at + 2]!;
        }
        take(x, column);
      }
    }
  });
  return result!;
}

const FAR = 0x7fffffff;
/** Columns of which the kernels count together, and what they count. */
const STRIP = 64;
const COUNTS = 8;

export const maskStatistics =
  (host: Host): FrameOps['maskStatistics'] =>
  (logits, plan, { threshold = 0, offset = 1, selected } = {}) => {
    const groups = Math.ceil(plan.output.width / STRIP);
    const output = (masks: number): HostOutput => ({ shape: [masks, groups, COUNTS], dtype: 'int32' });
    return resample(host, logits, plan, selected, output, (out, mask) => {
      out.fill(0, mask * groups * COUNTS, (mask + 1) * groups * COUNTS);
      return (x, values) => {
        const at = (mask * groups + Math.floor(x / STRIP)) * COUNTS;
        let [high, low, area, top, bottom] = [0, 0, 0, values.length, -1];
        for (let y = 0; y < values.length; y++) {
          const value = values[y]!;
          if (value > threshold + offset) high++;
          if (value > threshold - offset) low++;
          if (!(value > threshold)) continue;
          area++;
          if (bottom < 0) top = y;
          bottom = y;
        }
        out[at]! += high;
        out[at + 1]! += low;
        out[at + 2]! += area;
        if (area === 0) return;
        for (const [k, reach] of [FAR - x, FAR - top, x + 1, bottom + 1].entries()) {
          out[at + 3 + k] = Math.max(out[at + 3 + k]!, reach);
        }
      };
    });
  };

export const maskBits =
  (host: Host): FrameOps['maskBits'] =>
  (logits, plan, { threshold = 0, selected } = {}) => {
    const { height, width } = plan.output;
    const words = Math.ceil(height / 32);
    const output = (masks: number): HostOutput => ({ shape: [masks, width, words], dtype: 'int32' });
    return resample(host, logits, plan, selected, output, (out, mask) => (x, values) => {
      const first = (mask * width + x) * words;
      out.fill(0, first, first + words);
      for (let y = 0; y < height; y++) if (values[y]! > threshold) out[first + (y >> 5)]! |= 1 << (y & 31);
    });
  };

export const maskValues =
  (host: Host): FrameOps['maskValues'] =>
  (logits, plan, { selected } = {}) => {
    const { height, width } = plan.output;
    const output = (masks: number): HostOutput => ({ shape: [masks, height, width] });
    return resample(host, logits, plan, selected, output, (out, mask) => (x, values) => {
      for (let y = 0; y < height; y++) out[(mask * height + y) * width + x] = values[y]!;
    });
  };
