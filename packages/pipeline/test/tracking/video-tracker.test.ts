import { DeviceLostError, getRuntime } from '@samtrack/kernels';
import { OutOfBudgetError } from '@samtrack/models';
import { engine } from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import type { LabelMap } from '../../src/io/index.js';
import { VideoTracker, type VideoTrackerOptions } from '../../src/tracking/index.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeFrame, makeMask, writeDeaotL } from './scene.js';

const SIZE = { width: 64, height: 48 };
/** For long runs: nine tokens a frame. */
const SMALL = { width: 33, height: 33 };
const deaotL = { model: 'deaot-l', weights: writeDeaotL(temporaryFolder()) } as const;

/** For what only a GPU does: be lost. */
const gpu = { engine: 'webgpu' } as const;

let open: VideoTracker[] = [];
async function load(options: Partial<VideoTrackerOptions> = {}): Promise<VideoTracker> {
  const tracker = await VideoTracker.load({ model: 'deaot-t', weights: DEAOT_T_WEIGHTS, ...options });
  open.push(tracker);
  return tracker;
}

afterEach(() => {
  for (const tracker of open) tracker.dispose();
  open = [];
  expect(numTensors()).toBe(0);
});

/** Tensors that tfjs knows of; unlike `memory()` it needs no backend. */
const numTensors = () => engine().state.numTensors;

/** Takes the GPU away, as a crash of its driver does. */
const loseDevice = () => getRuntime().device.destroy();

describe('memory of a long video', () => {
  it('is that of a short one where predicted frames are not memorised', async () => {
    const tracker = await load();
    await tracker.addReference(makeFrame(0, SMALL), makeMask(SMALL));
    const seen = new Set<string>();
    for (let i = 1; i < 120; i++) {
      await tracker.step({ ...makeFrame(i % 40, SMALL), index: i });
      const { rememberedBytes, allocatedBytes } = tracker.memory;
      if (i >= 3) seen.add(`${rememberedBytes} ${allocatedBytes} ${numTensors()}`);
    }
    expect([...seen]).toHaveLength(1);
  });

  it.each(['fifo', 'sparse'] as const)('stays within the budget, %s', async (memoryPolicy) => {
    // Ten times what there is room for.
    const count = 120;
    const memoryMB = 1.5;
    const tracker = await load({ ...deaotL, memoryMB, memoryPolicy, longTermGap: 1 });
    await tracker.addReference(makeFrame(0, SMALL), makeMask(SMALL));
    let most = 0;
    const late = new Set<number>();
    for (let i = 1; i < count; i++) {
      await tracker.step({ ...makeFrame(i % 40, SMALL), index: i });
      const { rememberedBytes, allocatedBytes } = tracker.memory;
      most = Math.max(most, rememberedBytes);
      expect(rememberedBytes).toBeLessThanOrEqual(memoryMB * 1e6);
      if (i >= count / 2) late.add(allocatedBytes);
    }
    expect(most).toBeGreaterThan(0.8 * memoryMB * 1e6);
    // What frames are computed in changes a little with the number of remembered ones, but does not grow.
    expect(Math.max(...late)).toBeLessThan(1.2 * Math.min(...late));
  });

  it('ends the run where it is unbounded and would pass the budget', async () => {
    const tracker = await load({ ...deaotL, memoryMB: 1.5, memoryPolicy: 'unbounded', longTermGap: 1 });
    await tracker.addReference(makeFrame(0, SMALL), makeMask(SMALL));
    const run = async () => {
      for (let i = 1; i < 60; i++) await tracker.step({ ...makeFrame(i % 40, SMALL), index: i });
    };
    await expect(run()).rejects.toThrow(OutOfBudgetError);
    expect(tracker.memory.rememberedBytes).toBeLessThanOrEqual(1.5e6);
  });
});

describe('label propagation', () => {
  it('tracks with the encoder alone, in memory that does not grow, also after the GPU was lost', async () => {
    const lost: string[] = [];
    const tracker = await load({ ...gpu, tracker: 'propagation', onDeviceLost: (message) => lost.push(message) });
    await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
    const seen = new Set<number>();
    for (let i = 1; i < 12; i++) {
      if (i === 8) loseDevice();
      const { data } = await tracker.step(makeFrame(i, SIZE));
      expect(Math.max(...data)).toBeLessThanOrEqual(2);
      if (i >= 3 && i < 8) seen.add(tracker.memory.rememberedBytes);
    }
    expect(lost).toHaveLength(1);
    // The reference and three frames of 4 x 5 tokens: 96 features, and shares of 3 labels in a vector of 4.
    expect([...seen]).toEqual([4 * 20 * (96 + 4) * 4]);
    expect(tracker.recallsExactly).toBe(false);
    expect(tracker.memorises(5)).toBe(false);
    expect(tracker.memorisedFrames).toEqual([{ frame: 0, reference: true }]);
  });
});

describe('a lost GPU', () => {
  /** Tracks frames 1 to `count - 1`; `before` runs before a frame. */
  async function run(
    tracker: VideoTracker,
    count: number,
    before: (index: number) => void = () => {},
  ): Promise<LabelMap[]> {
    await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
    const results: LabelMap[] = [];
    for (let i = 1; i < count; i++) {
      before(i);
      results.push(await tracker.step(makeFrame(i, SIZE)));
    }
    return results;
  }

  it('is opened again, each time, and the results are the same', async () => {
    const expected = await run(await load(gpu), 7);
    // Otherwise the test could not tell a restored memory from a wrong one.
    expect(new Set(expected.map(({ data }) => data.join())).size).toBe(6);
    open.pop()!.dispose();

    const lost: string[] = [];
    const tracker = await load({ ...gpu, onDeviceLost: (message) => lost.push(message) });
    const results = await run(tracker, 7, (i) => {
      if (i === 1 || i === 4) loseDevice();
      // In the middle of a frame.
      if (i === 6) queueMicrotask(loseDevice);
    });
    expect(lost).toHaveLength(3);
    for (const message of lost) expect(message).toMatch(/^The GPU device was lost \(destroyed\)/);
    expect(results).toEqual(expected);
  });

  it('is opened again for the first reference, and with the memory of a large model', async () => {
    const lost: string[] = [];
    // Room for four frames of three layers.
    const options = { memoryMB: 1.5, memoryPolicy: 'sparse', longTermGap: 1 } as const;
    const tracker = await load({ ...gpu, ...deaotL, ...options, onDeviceLost: (message) => lost.push(message) });
    loseDevice();
    await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
    const due: number[] = [];
    for (let i = 1; i <= 12; i++) {
      if (i === 9) loseDevice();
      if (tracker.memorises(i)) due.push(i);
      const { data } = await tracker.step(makeFrame(i, SIZE));
      expect(data).toHaveLength(SIZE.width * SIZE.height);
      expect(tracker.memory.rememberedBytes).toBeLessThanOrEqual(1.5e6);
    }
    expect(lost).toHaveLength(2);
    // The gap had grown to four frames, and still is.
    expect(due).toEqual([1, 2, 3, 4, 6, 8, 12]);
  });

  it('that is lost again with the same frame ends the run with DeviceLostError', async () => {
    const tracker = await load({ ...gpu, onDeviceLost: loseDevice });
    await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
    loseDevice();
    await expect(tracker.step(makeFrame(1, SIZE))).rejects.toThrow(DeviceLostError);
  });
});

describe('VideoTracker', () => {
  it('starts another video, of another size, after restart', async () => {
    const tracker = await load();
    const first = async () => {
      await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
      return tracker.step(makeFrame(1, SIZE));
    };
    const before = await first();
    const other = { width: 33, height: 65 };
    tracker.restart();
    expect(tracker.memory.rememberedBytes).toBe(0);
    await tracker.addReference(makeFrame(0, other), makeMask(other));
    expect(await tracker.step(makeFrame(1, other))).toMatchObject(other);
    tracker.restart();
    expect(await first()).toEqual(before);
  });

  it('frees everything at dispose, twice too, and after an error', async () => {
    const tracker = await load();
    await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
    await expect(tracker.step(makeFrame(1, SMALL))).rejects.toThrow(/A frame of 64x48 RGBA pixels/);
    tracker.dispose();
    tracker.dispose();
    expect(numTensors()).toBe(0);
  });

  it('leaves nothing behind when the weights are unsuitable', async () => {
    await expect(load({ weights: deaotL.weights, model: 'swinb-deaot-l' })).rejects.toThrow(/the model needs/);
    await expect(load({ model: 'deaot-s' })).rejects.toThrow(/LSTT\.layers\.1\./);
    expect(numTensors()).toBe(0);
  });
});
