import { MEMORY_FRAMES } from './config.js';

/**
 * The conditioning frames that a frame attends to: all, or the nearest before it, the nearest from it on, and then the
 * nearest of the others (sam2, `select_closest_cond_frames`).
 */
export function closestConditioningFrames(
  frames: readonly number[],
  frame: number,
  most: number,
): { selected: readonly number[]; rest: readonly number[] } {
  if (frames.length <= most) return { selected: frames, rest: [] };
  const before = frames.filter((t) => t < frame);
  const after = frames.filter((t) => t >= frame);
  const selected = [
    ...(before.length > 0 ? [Math.max(...before)] : []),
    ...(after.length > 0 ? [Math.min(...after)] : []),
  ];
  const others = frames.filter((t) => !selected.includes(t));
  const near = [...others].sort((a, b) => Math.abs(a - frame) - Math.abs(b - frame));
  selected.push(...near.slice(0, most - selected.length));
  return { selected, rest: frames.filter((t) => !selected.includes(t)) };
}

/**
 * The recent frames whose memories a frame attends to, the furthest first, and the row of the temporal encoding that
 * belongs to each: the neighbour, and frames that are multiples of the stride.
 */
export function recentFrames(frame: number, stride: number, backward: boolean): { frame: number; row: number }[] {
  return Array.from({ length: MEMORY_FRAMES - 1 }, (_, i) => {
    const distance = MEMORY_FRAMES - 1 - i;
    const row = distance - 1;
    if (distance === 1) return { frame: backward ? frame + 1 : frame - 1, row };
    const steps = (distance - 2) * stride;
    return {
      frame: backward
        ? Math.ceil((frame + 2) / stride) * stride + steps
        : Math.floor((frame - 2) / stride) * stride - steps,
      row,
    };
  });
}

/** The frames before a frame (after it, backward) whose pointers it attends to, with their distance. */
export function pointerFrames(
  frame: number,
  most: number,
  length: number,
  backward: boolean,
): { frame: number; distance: number }[] {
  const frames: { frame: number; distance: number }[] = [];
  for (let distance = 1; distance < most; distance++) {
    const at = backward ? frame + distance : frame - distance;
    if (at < 0 || at >= length) break;
    frames.push({ frame: at, distance });
  }
  return frames;
}
