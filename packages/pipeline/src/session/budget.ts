import { OutOfBudgetError } from '@samtrack/models';
import { emptyLabelMap, type Frame } from '../io/index.js';
import type { SharedTracker } from './tracker.js';

/** Memory of a session in bytes. Counted is what it allocates, not what the program and the GPU's driver take for themselves. */
export interface SessionMemory {
  /** What was promised; undefined if nothing was. */
  readonly budgetBytes: number | undefined;
  /**
   * What a run needs at its most with the reference frames there are, as it was measured when the last one began; what a tracker remembers
   * on its way comes on top. Undefined before the first run, and without a budget.
   */
  readonly expectedBytes: number | undefined;
  /** All of the following together. */
  readonly usedBytes: number;
  /** On the GPU: weights, workspace and remembered frames. */
  readonly gpuBytes: number;
  /** The remembered frames' part of it. */
  readonly rememberedBytes: number;
  /** Pixels on the CPU: frames being read, and those kept in case the GPU is lost. */
  readonly frameBytes: number;
  /** Masks in memory and the index of those on disk. */
  readonly maskBytes: number;
}

/** What a tracker takes for frames of a size and a number of groups of objects, as measured with a picture of noise. */
interface Footprint {
  /** GPU bytes with one remembered frame. */
  gpuBytes: number;
  /** Of them, the remembered frame. */
  rememberedBytes: number;
  /** GPU bytes that each further remembered frame takes, workspace included, and those of the frame itself. */
  perFrameBytes: number;
  perFrameRememberedBytes: number;
}

const footprints = new WeakMap<object, Map<string, Footprint>>();

/** Head room for what grows in steps. */
const MARGIN = 1.02;

/**
 * Shares a budget out, before a run: what weights, workspace, frames and masks need for certain, the rest to remembered frames.
 *
 * @param references Reference frames that must be remembered.
 * @param otherBytes Frames and masks on the CPU.
 * @returns the remembered frames' share, in MB, and what the run needs with no more than the reference frames
 * @throws OutOfBudgetError with the bytes that would be enough
 */
export async function shareBudget(
  shared: SharedTracker,
  size: { width: number; height: number },
  objects: number,
  references: number,
  otherBytes: number,
  budgetBytes: number,
): Promise<{ memoryMB: number; expectedBytes: number }> {
  const measure = () => footprint(shared, size, objects);
  const { gpuBytes, rememberedBytes, perFrameBytes, perFrameRememberedBytes } = await shared.queue.run(measure);
  const keptBytes = size.width * size.height * 6;
  const needed = (frames: number) =>
    MARGIN * (gpuBytes + (frames - 1) * perFrameBytes) +
    (frames + shared.tracker.recentFrames) * keptBytes +
    otherBytes;
  if (needed(references) > budgetBytes) {
    throw new OutOfBudgetError(
      Math.ceil(needed(references)),
      budgetBytes,
      `Tracking ${objects} object${objects === 1 ? '' : 's'} in ${size.width}x${size.height} pixels with ${references} reference frame${references === 1 ? '' : 's'}`,
    );
  }
  const room = (budgetBytes - needed(1)) / (MARGIN * perFrameBytes + keptBytes);
  const memoryMB = (rememberedBytes + Math.floor(room) * perFrameRememberedBytes) / 1e6;
  return { memoryMB, expectedBytes: Math.ceil(needed(references)) };
}

/** Measures what the tracker takes; once for each size and number of groups. Empties the tracker. */
async function footprint(
  shared: SharedTracker,
  { width, height }: { width: number; height: number },
  objects: number,
): Promise<Footprint> {
  let known = footprints.get(shared.tracker);
  if (!known) footprints.set(shared.tracker, (known = new Map()));
  const key = `${width}x${height} ${Math.ceil(objects / shared.tracker.groupSize)}`;
  const measured = known.get(key);
  if (measured) return measured;
  const owner = {};
  const tracker = shared.restart(owner, { memoryMB: Number.MAX_SAFE_INTEGER / 1e6 });
  const frame = (index: number): Frame => {
    const rgba = new Uint8Array(width * height * 4);
    for (let i = 0; i < rgba.length; i++) rgba[i] = (i * 2654435761 + index) >>> 24;
    return { index, time: index, name: String(index), width, height, rgba };
  };
  const labels = emptyLabelMap(width, height);
  labels.data.fill(1, 0, Math.ceil(labels.data.length / 2));
  for (let id = 1; id <= objects; id++) labels.data[id - 1] = id;
  const track = async (index: number) => {
    await tracker.predict(frame(index));
    await tracker.remember(frame(index), labels);
  };
  try {
    // As many frames as are read, and one more, so that all that is needed at once has been.
    const span = tracker.recentFrames + 1;
    await tracker.addReference(frame(0), labels);
    for (let index = 1; index <= span; index++) await track(index);
    const { allocatedBytes: gpuBytes, rememberedBytes } = tracker.memory;
    await tracker.addReference(frame(span + 1), labels);
    for (let index = 1; index <= span; index++) await track(span + 1 + index);
    const { allocatedBytes, rememberedBytes: rememberedTwice } = tracker.memory;
    const perFrameRememberedBytes = rememberedTwice - rememberedBytes;
    const result = {
      gpuBytes,
      rememberedBytes,
      perFrameBytes: Math.max(allocatedBytes - gpuBytes, perFrameRememberedBytes),
      perFrameRememberedBytes,
    };
    known.set(key, result);
    return result;
  } finally {
    shared.release(owner);
  }
}
