import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemorySource } from '../../src/checkpoint/byte-source.js';
import { frameInput } from '../../src/sam2/frame-input.js';
import type { Sam2Model } from '../../src/sam2/model.js';
import { Sam2Tracker } from '../../src/sam2/tracker.js';
import { Sam2VideoEngine } from '../../src/sam2/video-engine.js';
import { OutOfBudgetError, openSnapshot, storedSnapshot, TrackerError } from '../../src/tracking/index.js';
import { loadMini, miniVideo } from './mini.js';

let runtime: Runtime;
let model: Sam2Model;
let video: Awaited<ReturnType<typeof miniVideo>>;
beforeAll(async () => {
  runtime = await initialize();
  model = await loadMini();
  video = await miniVideo();
});
afterAll(() => {
  model.dispose();
  shutdown(runtime);
});

/** Bytes of a memory of the small model. */
const MEMORY = 8 * 8 * 64 * 4;

const agreement = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
};

describe('a SAM 2.1 tracker', { timeout: 600_000 }, () => {
  it('finds what the video engine finds from the same mask', async () => {
    const { height, width, frames, mask } = video;
    const before = memory().numTensors;
    const engine = new Sam2VideoEngine(model, {
      height,
      width,
      frames: frames.length,
      input: async (frame) => frameInput({ height, width, data: frames[frame]! }, model.imageSize),
    });
    await engine.addMask(0, 1, mask);
    const expected: number[][] = [];
    for await (const { logits } of engine.propagate({ count: 3 })) {
      expected.push(Array.from(logits[0]!, (logit) => (logit > 0 ? 1 : 0)));
    }
    engine.dispose();
    const tracker = new Sam2Tracker(model, { height, width });
    await tracker.addReference(0, frames[0]!, mask, 1);
    expect(agreement(await tracker.labels(), mask)).toBe(1);
    for (let frame = 1; frame <= 3; frame++) {
      const labels = await tracker.step(frame, frames[frame]!);
      // The engine fills holes in what it shows.
      expect(agreement(labels, expected[frame]!)).toBeGreaterThan(0.99);
      expect(tracker.scores).toHaveLength(1);
    }
    tracker.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it('remembers flat: six recent frames, and those with given masks', async () => {
    const { height, width, frames, mask } = video;
    const tracker = new Sam2Tracker(model, { height, width });
    await tracker.addReference(0, frames[0]!, mask, 1);
    const bytes: number[] = [];
    for (let i = 1; i <= 12; i++) {
      await tracker.step(i, frames[i % frames.length]!);
      bytes.push(tracker.memoryBytes / MEMORY);
    }
    expect(bytes).toEqual([2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7, 7]);
    tracker.dispose();
  });

  it('goes backward as the video engine does', async () => {
    const { height, width, frames, mask } = video;
    const last = 3;
    const maxPointers = frames.length;
    const engine = new Sam2VideoEngine(
      model,
      {
        height,
        width,
        frames: frames.length,
        input: async (frame) => frameInput({ height, width, data: frames[frame]! }, model.imageSize),
      },
      { maxPointers },
    );
    await engine.addMask(last, 1, mask);
    const expected = new Map<number, number[]>();
    for await (const { frame, logits } of engine.propagate({ start: last, backward: true })) {
      expected.set(
        frame,
        Array.from(logits[0]!, (logit) => (logit > 0 ? 1 : 0)),
      );
    }
    engine.dispose();
    const tracker = new Sam2Tracker(model, { height, width }, { direction: 'backward', maxPointers });
    await tracker.addReference(last, frames[last]!, mask, 1);
    for (let frame = last - 1; frame >= 0; frame--) {
      expect(agreement(await tracker.step(frame, frames[frame]!), expected.get(frame)!)).toBe(1);
    }
    // The last frame's memory and those between are read, none is forgotten yet.
    expect(tracker.memoryBytes).toBe(4 * MEMORY);
    tracker.dispose();
  });

  it('takes objects in later, and leaves others alone', async () => {
    const { height, width, frames, mask } = video;
    const alone = new Sam2Tracker(model, { height, width });
    await alone.addReference(0, frames[0]!, mask, 1);
    await alone.step(1, frames[1]!);
    const tracker = new Sam2Tracker(model, { height, width });
    await tracker.addReference(0, frames[0]!, mask, 1);
    await tracker.propagate(1, frames[1]!);
    const found = await tracker.labels();
    const box = Array.from(found, (label, i) => (label === 0 && i % width < 20 && i < 20 * width ? 2 : label));
    await tracker.addReference(1, frames[1]!, box, 2);
    expect(tracker.objects).toBe(2);
    expect(tracker.memorisedFrames).toEqual([[{ frame: 0, reference: true }], [{ frame: 1, reference: true }]]);
    expect(new Set(await tracker.labels())).toEqual(new Set(box));
    const before = alone.scores[0]!;
    await alone.step(2, frames[2]!);
    await tracker.step(2, frames[2]!);
    expect(tracker.scores).toHaveLength(2);
    expect(tracker.scores[0]).toBeCloseTo(alone.scores[0]!, 4);
    expect(alone.scores[0]).not.toBeCloseTo(before, 4);
    alone.dispose();
    tracker.dispose();
  });

  it('is shown objects by points and boxes on any frame, as the video engine is', async () => {
    const { height, width, frames } = video;
    const maxPointers = frames.length;
    const engine = new Sam2VideoEngine(
      model,
      {
        height,
        width,
        frames: frames.length,
        input: async (frame) => frameInput({ height, width, data: frames[frame]! }, model.imageSize),
      },
      { maxPointers },
    );
    const point = { points: [[width / 2, height / 2]] as const, labels: [1] };
    const box = { box: [width / 4, height / 4, width / 2, height / 2] as const };
    await engine.addPoints(0, 1, point);
    const expected: Float32Array[][] = [];
    for await (const { logits } of engine.propagate({ count: 2 })) expected.push([...logits]);
    // In a frame that was passed, the memory and the mask of the frame count too.
    await engine.addPoints(2, 1, box);
    for await (const { logits } of engine.propagate({ start: 2, count: 1 })) expected.push([...logits]);
    engine.dispose();
    const before = memory().numTensors;
    const tracker = new Sam2Tracker(model, { height, width }, { maxPointers });
    const binary = (logits: Float32Array) => Array.from(logits, (logit) => (logit > 0 ? 1 : 0));
    await expect(tracker.prompt(0, frames[0]!, 2, point)).rejects.toThrow(/no object 2; the next one is 1/);
    await expect(tracker.prompt(0, frames[0]!, 1, {})).rejects.toThrow(/point or a box/);
    expect(agreement(await tracker.prompt(0, frames[0]!, 1, point), binary(expected[0]![0]!))).toBe(1);
    await tracker.update();
    expect(tracker.memorisedFrames).toEqual([[{ frame: 0, reference: true }]]);
    for (const frame of [1, 2]) {
      expect(agreement(await tracker.step(frame, frames[frame]!), binary(expected[frame]![0]!))).toBe(1);
    }
    expect(agreement(await tracker.prompt(2, frames[2]!, 1, box), binary(expected[3]![0]!))).toBe(1);
    await tracker.update();
    expect(tracker.memorisedFrames[0]!.map(({ frame }) => frame)).toEqual([0, 2]);
    expect(agreement(await tracker.step(3, frames[3]!), binary(expected[4]![0]!))).toBe(1);
    // A second object comes in on a frame of its own.
    await tracker.prompt(4, frames[4]!, 2, box);
    await tracker.update();
    expect(tracker.memorisedFrames.map((held) => held.map(({ frame }) => frame))).toEqual([[0, 2], [4]]);
    tracker.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it('takes an object whose number was reserved for a new one', async () => {
    const { height, width, frames, mask } = video;
    const box = { box: [4, 4, width / 2, height / 2] as const };
    const found: Int32Array[] = [];
    for (const objects of [1, 2]) {
      const tracker = new Sam2Tracker(model, { height, width });
      await tracker.addReference(0, frames[0]!, mask, objects);
      found.push(await tracker.prompt(0, frames[0]!, 2, box));
      tracker.dispose();
    }
    expect(found[1]).toEqual(found[0]);
  });

  it('looks for the others where one is shown beside a given mask, and remembers them once', async () => {
    const { height, width, frames, mask } = video;
    const box = { box: [4, 4, 30, 40] as const };
    const corner = Uint8Array.from(mask, (_, i) => (i % width > width - 20 ? 2 : 0));
    const alone = new Sam2Tracker(model, { height, width });
    await alone.addReference(0, frames[0]!, mask, 1);
    await alone.step(1, frames[1]!);
    const tracker = new Sam2Tracker(model, { height, width });
    await tracker.addReference(0, frames[0]!, mask, 1);
    // Of the first object nothing is said in this frame.
    await tracker.addReference(1, frames[1]!, corner, 2, new Set([2]));
    await tracker.prompt(1, frames[1]!, 3, box);
    expect(tracker.scores[0]).toBeCloseTo(alone.scores[0]!, 4);
    await tracker.update();
    expect(tracker.memoryBytes).toBe(4 * MEMORY);
    await alone.step(2, frames[2]!);
    await tracker.step(2, frames[2]!);
    expect(tracker.scores[0]).toBeCloseTo(alone.scores[0]!, 4);
    // Shown in a frame, and there when another one is given: it is not remembered of that frame twice.
    await tracker.prompt(2, frames[2]!, 3, box);
    await tracker.update();
    const before = tracker.memoryBytes;
    await tracker.addReference(2, frames[2]!, corner, 3, new Set([2]));
    await tracker.step(2, frames[2]!);
    expect(tracker.memoryBytes).toBe(before);
    alone.dispose();
    tracker.dispose();
  });

  it('conditions on the masks that were given, and looks for no object before it was shown', async () => {
    const { height, width, frames, mask } = video;
    const tracker = new Sam2Tracker(model, { height, width });
    // The second object comes in later: so far there is nothing of it.
    await tracker.addReference(0, frames[0]!, mask, 2);
    expect(tracker.memorisedFrames).toEqual([[{ frame: 0, reference: true }], []]);
    await tracker.step(1, frames[1]!);
    expect(tracker.scores[1]).toBeLessThan(0);
    expect(new Set(await tracker.labels())).not.toContain(2);
    const both = Array.from(mask, (label, i) => (label === 0 && i % width > width - 20 ? 2 : label));
    await tracker.addReference(2, frames[2]!, both, 2, new Set([2]));
    expect(tracker.memorisedFrames).toEqual([[{ frame: 0, reference: true }], [{ frame: 2, reference: true }]]);
    // Taken away where it had been found: that is known from then on.
    await tracker.propagate(3, frames[3]!);
    await tracker.addReference(3, frames[3]!, new Uint8Array(mask.length), 2, new Set([1]));
    expect(tracker.scores[0]).toBeLessThan(0);
    expect(tracker.memorisedFrames[0]).toHaveLength(2);
    tracker.dispose();
  });

  it('goes on from a stored snapshot with the same bytes', async () => {
    const before = memory().numTensors;
    const { height, width, frames, mask } = video;
    const start = (memoryMB?: number) => new Sam2Tracker(model, { height, width }, { memoryMB });
    const pixels = (frame: number) => frames[frame % frames.length]!;
    const tracker = start();
    await tracker.addReference(0, pixels(0), mask, 2);
    for (let frame = 1; frame < 4; frame++) await tracker.step(frame, pixels(frame));
    await tracker.prompt(4, pixels(4), 2, { box: [4, 4, 30, 40] });
    await tracker.update();
    for (let frame = 5; frame < 9; frame++) await tracker.step(frame, pixels(frame));
    const stored = async (from: Sam2Tracker) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of storedSnapshot(from.snapshot(), 'mini')) pieces.push(piece.slice());
      return new Uint8Array(Buffer.concat(pieces));
    };
    const opened = (bytes: Uint8Array<ArrayBuffer>) => openSnapshot(new MemorySource(bytes, 'memory.safetensors'));
    const bytes = await stored(tracker);
    const restored = start();
    await restored.restore(await opened(bytes));
    expect(restored.memoryBytes).toBe(tracker.memoryBytes);
    expect(restored.memorisedFrames).toEqual(tracker.memorisedFrames);
    for (let frame = 9; frame < 12; frame++) {
      expect(await restored.step(frame, pixels(frame))).toEqual(await tracker.step(frame, pixels(frame)));
      expect(restored.scores).toEqual(tracker.scores);
    }
    expect(await stored(restored)).toEqual(await stored(tracker));
    // What does not fit is refused, and changes nothing.
    const kept = await stored(tracker);
    const snapshot = await opened(bytes);
    const missing = { ...snapshot, tensors: new Map([...snapshot.tensors].slice(1)) };
    await expect(tracker.restore(missing)).rejects.toThrow(/object1\.conditioning0\.memory is missing, \[64, 64\]/);
    await expect(tracker.restore({ ...snapshot, state: { side: 4, objects: [] } })).rejects.toThrow(/4 positions/);
    const poor = start((4 * MEMORY) / 1e6);
    await expect(poor.restore(snapshot)).rejects.toThrow(OutOfBudgetError);
    expect(await stored(tracker)).toEqual(kept);
    for (const one of [tracker, restored, poor]) one.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it('says how sure it is by whether an object is there', async () => {
    const { height, width, frames, mask } = video;
    const tracker = new Sam2Tracker(model, { height, width });
    await tracker.addReference(0, frames[0]!, mask, 1);
    expect((await tracker.certainty()).size).toBe(0);
    await tracker.step(1, frames[1]!);
    const there = 1 / (1 + Math.exp(-tracker.scores[0]!));
    expect([...(await tracker.certainty())]).toEqual([[1, { mean: there, positions: 1 }]]);
    tracker.dispose();
  });

  it('keeps its promise of memory, or refuses', async () => {
    const { height, width, frames, mask } = video;
    const tracker = new Sam2Tracker(model, { height, width }, { memoryMB: (3.5 * MEMORY) / 1e6 });
    await tracker.addReference(0, frames[0]!, mask, 1);
    for (let i = 1; i <= 4; i++) {
      await tracker.step(i, frames[i]!);
      expect(tracker.memoryBytes).toBeLessThanOrEqual(3.5 * MEMORY);
    }
    await tracker.addReference(4, frames[4]!, mask, 1);
    expect(tracker.memoryBytes).toBeLessThanOrEqual(3.5 * MEMORY);
    tracker.dispose();
    const small = new Sam2Tracker(model, { height, width }, { memoryMB: (3.5 * MEMORY) / 1e6 });
    await expect(small.addReference(0, frames[0]!, mask, 2)).rejects.toThrow(OutOfBudgetError);
    expect(small.memoryBytes).toBe(0);
    small.dispose();
  });

  it('refuses what does not fit', async () => {
    const { height, width, frames, mask } = video;
    const tracker = new Sam2Tracker(model, { height, width });
    await expect(tracker.propagate(0, frames[0]!)).rejects.toThrow(TrackerError);
    await expect(tracker.addReference(0, frames[0]!.subarray(4), mask, 1)).rejects.toThrow(/RGBA/);
    await expect(tracker.addReference(0, frames[0]!, mask.subarray(1), 1)).rejects.toThrow(/label map/);
    await expect(tracker.labels()).rejects.toThrow(TrackerError);
    tracker.dispose();
  });
});
