import { getEngine, type MaskPlan, maskBits, maskStatistics, maskValues, readMaskStatistics } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { Box } from '../masks/box.js';
import { bitsToRle, type Rle } from '../masks/index.js';
import { SamError } from './error.js';

/** Where logits are cut into foreground and background. */
export interface MaskLevels {
  /** 0 by default. */
  threshold?: number;
  /** Distance of the two further levels that stability is measured at; 1 by default. */
  stabilityOffset?: number;
}

/** What is known of a mask without having it. */
export interface MaskMeasures {
  /** Pixels. */
  area: number;
  /** First and last column and row, inclusive, as in segment-anything; zeros for an empty mask. */
  box: Box;
  /**
   * IoU of the masks at threshold + offset and threshold - offset (segment-anything, `calculate_stability_score`): how
   * little the mask depends on the threshold. NaN when both are empty.
   */
  stability: number;
}

/** Masks read at a time: a constant, so that read-back buffers of one image size are used again. */
const GROUP = 8;

/**
 * Measures masks at the size of the image.
 * @param logits float32 [..., side, side].
 */
export async function measureMasks(logits: Tensor, plan: MaskPlan, levels: MaskLevels = {}): Promise<MaskMeasures[]> {
  const { threshold, stabilityOffset: offset } = levels;
  const counts = maskStatistics(logits, plan, { threshold, offset });
  try {
    const masks = counts.shape[0]!;
    const values = new Int32Array(await getEngine().read(counts));
    return readMaskStatistics(values, masks).map(({ high, low, area, box }) => ({ area, box, stability: high / low }));
  } finally {
    counts.dispose();
  }
}

/** Refuses images of which one mask, or one map of logits, exceeds what a binding covers. */
function groupSize(bytes: number, { output }: MaskPlan): number {
  const { maxTensorBytes: maxBindingBytes } = getEngine();
  if (bytes > maxBindingBytes) {
    throw new SamError(
      'image',
      `A result of ${output.width}x${output.height} pixels takes ${bytes} bytes, this GPU binds at most ${maxBindingBytes}.`,
    );
  }
  return Math.max(1, Math.min(GROUP, Math.floor(maxBindingBytes / bytes)));
}

/** Runs an operation over groups of masks of one size, and hands on each mask's part of the result. */
async function inGroups(
  indices: readonly number[],
  bytes: number,
  plan: MaskPlan,
  op: (selected: Tensor) => Tensor,
  each: (words: ArrayBuffer) => void,
): Promise<void> {
  const size = groupSize(bytes, plan);
  for (let start = 0; start < indices.length; start += size) {
    // A last group that is not full repeats a mask.
    const group = Int32Array.from({ length: size }, (_, i) => indices[Math.min(start + i, indices.length - 1)]!);
    const selected = tensor(group, [size], 'int32');
    const out = op(selected);
    try {
      const words = await getEngine().read(out);
      for (let i = 0; i < Math.min(size, indices.length - start); i++) each(words.slice(i * bytes, (i + 1) * bytes));
    } finally {
      selected.dispose();
      out.dispose();
    }
  }
}

/**
 * Reads masks at the size of the image as run lengths.
 * @param logits float32 [..., side, side].
 * @param indices Which of them.
 * @throws SamError `image` when a mask exceeds what the GPU can bind.
 */
export async function readMasks(
  logits: Tensor,
  plan: MaskPlan,
  indices: readonly number[],
  { threshold }: MaskLevels = {},
): Promise<Rle[]> {
  const { width, height } = plan.output;
  const masks: Rle[] = [];
  const bytes = width * Math.ceil(height / 32) * 4;
  const op = (selected: Tensor) => maskBits(logits, plan, { threshold, selected });
  await inGroups(indices, bytes, plan, op, (words) => masks.push(bitsToRle(new Int32Array(words), width, height)));
  return masks;
}

/** Reads logits at the size of the image, row by row. Otherwise as `readMasks`. */
export async function readLogits(logits: Tensor, plan: MaskPlan, indices: readonly number[]): Promise<Float32Array[]> {
  const maps: Float32Array[] = [];
  const bytes = plan.output.width * plan.output.height * 4;
  const op = (selected: Tensor) => maskValues(logits, plan, { selected });
  await inGroups(indices, bytes, plan, op, (words) => maps.push(new Float32Array(words)));
  return maps;
}
