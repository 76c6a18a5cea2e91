import { initialize, makeResizePlan, preprocess, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { dispose, memory } from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  LabelPropagationModel,
  LabelPropagationTracker,
  OutOfBudgetError,
  openManifest,
  TrackerError,
} from '../../src/index.js';
import { softLabels } from '../../src/propagation/soft-labels.js';
import { deaotManifest } from '../fixtures/deaot/manifest.js';

/** Sides of 16 n + 1, so that nothing is resized: 7 x 11 tokens. */
const SIZE = { height: 97, width: 161 };
const PIXELS = SIZE.height * SIZE.width;
const TOKENS = 7 * 11;

let runtime: Runtime;
let model: LabelPropagationModel;
beforeAll(async () => {
  runtime = await initialize();
  model = await LabelPropagationModel.load(openManifest(deaotManifest()));
});
afterAll(() => {
  model.dispose();
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

let tracker: LabelPropagationTracker;
let before: number;
beforeEach(() => {
  before = memory().numTensors;
  tracker = new LabelPropagationTracker(model, SIZE);
});
afterEach(() => {
  tracker.dispose();
  expect(memory().numTensors).toBe(before);
});

/** A texture that repeats nowhere near, moved right by `shift` pixels. */
function frame(shift: number): Uint8Array {
  const rgba = new Uint8Array(PIXELS * 4).fill(255);
  for (let i = 0; i < PIXELS; i++) {
    const [x, y] = [(i % SIZE.width) - shift, Math.floor(i / SIZE.width)];
    for (let c = 0; c < 3; c++) {
      const wave = Math.sin(x / (7 + 3 * c)) + Math.sin(y / (9 - 2 * c)) + Math.sin((x * (c + 2) + y * 3) / 23);
      rgba[i * 4 + c] = 128 + 40 * wave;
    }
  }
  return rgba;
}

/** A box of object 1, or of objects 1..count side by side, moved right by `shift` pixels. */
const box = (shift: number, count = 1) =>
  Int32Array.from({ length: PIXELS }, (_, i) => {
    const [x, y] = [(i % SIZE.width) - shift, Math.floor(i / SIZE.width)];
    const inside = x >= 48 && x < 48 + 48 && y >= 24 && y < 72;
    return inside ? 1 + Math.floor(((x - 48) * count) / 48) : 0;
  });

/** Intersection over union of one object. */
function iou(a: Int32Array, b: Int32Array, id = 1): number {
  let [both, either] = [0, 0];
  for (const [i, label] of a.entries()) {
    const [one, other] = [label === id, b[i] === id];
    both += Number(one && other);
    either += Number(one || other);
  }
  return both / either;
}

describe('LabelPropagationTracker', () => {
  it('follows what moves', async () => {
    tracker.addReference(0, frame(0), box(0), 1);
    expect(await tracker.labels()).toEqual(box(0));
    for (const t of [1, 2, 3]) {
      const labels = await tracker.step(t, frame(16 * t));
      expect(iou(labels, box(16 * t)), `frame ${t}`).toBeGreaterThan(0.65);
      expect(iou(labels, box(0)), `frame ${t}, where it was`).toBeLessThan(0.65);
    }
  });

  it('tracks more objects than a group of DeAOT holds', async () => {
    const labels = Int32Array.from({ length: PIXELS }, (_, i) =>
      Math.floor(i / SIZE.width) < 48 ? 1 + Math.floor(((i % SIZE.width) * 12) / SIZE.width) : 0,
    );
    const objects = Math.max(...labels);
    expect(objects).toBe(12);
    tracker.addReference(0, frame(0), labels, objects);
    const next = await tracker.step(0, frame(0));
    const found = new Set(next);
    for (let id = 1; id <= objects; id++) expect(found.has(id), `object ${id}`).toBe(true);
    expect(next.every((label) => label <= objects)).toBe(true);
  });

  it('remembers three recent frames, and the labels it is given', async () => {
    const entry = TOKENS * (96 + 4) * 4;
    tracker.addReference(0, frame(0), box(0), 1);
    expect(tracker.memoryBytes).toBe(entry);
    for (let t = 1; t <= 5; t++) {
      await tracker.step(t, frame(t));
      expect(tracker.memoryBytes).toBe(entry * (1 + Math.min(t, 3)));
    }
    tracker.propagate(6, frame(6));
    expect(tracker.memoryBytes).toBe(entry * 4);
    const better = box(20);
    tracker.update(better);
    tracker.update(better);
    expect(tracker.memoryBytes).toBe(entry * 4);
    expect(await tracker.labels()).toEqual(better);
    expect(tracker.memorisedFrames).toEqual([[{ frame: 0, reference: true }]]);
  });

  it('goes on from a recalled frame', async () => {
    tracker.addReference(0, frame(0), box(0), 1);
    tracker.recall(40, frame(32), box(32));
    expect(iou(await tracker.step(41, frame(48)), box(48))).toBeGreaterThan(0.65);
  });

  it('keeps the first reference and the latest two; objects may be added', async () => {
    tracker.addReference(0, frame(0), box(0), 1);
    for (const [t, count] of [
      [1, 1],
      [2, 4],
      [3, 4],
    ] as const) {
      tracker.propagate(t, frame(t));
      tracker.addReference(t, frame(t), box(t, count), count);
    }
    expect(tracker.memorisedFrames[0]!.map(({ frame: index }) => index)).toEqual([0, 2, 3]);
    expect(tracker.objects).toBe(4);
    expect((await tracker.step(3, frame(3))).some((label) => label === 4)).toBe(true);
  });

  it('says what is wrong', () => {
    expect(() => tracker.propagate(0, frame(0))).toThrow(TrackerError);
    expect(() => tracker.update()).toThrow(/Propagate/);
    expect(() => tracker.addReference(0, frame(0), box(0), 0)).toThrow(/at least one object/);
    expect(() => tracker.addReference(0, frame(0).subarray(4), box(0), 1)).toThrow(/RGBA pixels has/);
    expect(() => tracker.addReference(0, frame(0), box(0).subarray(1), 1)).toThrow(/label map of 161x97/);
    const small = new LabelPropagationTracker(model, SIZE, { memoryMB: 0.01 });
    expect(() => small.addReference(0, frame(0), box(0), 1)).toThrow(OutOfBudgetError);
    small.dispose();
  });
});

it('features are unit vectors, the same from stock operations', async () => {
  const stock = await LabelPropagationModel.load(openManifest(deaotManifest()), { ops: stockOps });
  const pixels = runtime.allocate([SIZE.height, SIZE.width], 'int32');
  runtime.write(pixels, frame(0) as Uint8Array<ArrayBuffer>);
  const image = preprocess(pixels, makeResizePlan(SIZE.height, SIZE.width, SIZE.height, SIZE.width));
  const [ours, theirs] = [model.encode(image), stock.encode(image)];
  expect(ours.shape).toEqual([TOKENS, 96]);
  const [a, b] = [Float32Array.from(await ours.data()), Float32Array.from(await theirs.data())];
  for (let token = 0; token < TOKENS; token++) {
    const vector = a.slice(token * 96, (token + 1) * 96);
    expect(vector.reduce((sum, v) => sum + v * v, 0)).toBeCloseTo(1, 5);
  }
  expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-5);
  dispose([pixels, image, ours, theirs]);
  stock.dispose();
});

it('soft labels of tokens are averages over their pixels', () => {
  const labels = [0, 0, 1, 1, 2, 0, 1, 1, 1, 2, 0, 0, 0, 1, 2];
  // 3 x 5 pixels in 2 x 2 tokens: rows 0-1 and 1-2, columns 0-2 and 2-4; the middle ones are shared.
  expect([...softLabels(labels, { height: 3, width: 5 }, { height: 2, width: 2 }, 2, 4)]).toEqual(
    [3 / 6, 3 / 6, 0, 0, 0, 4 / 6, 0, 0, 4 / 6, 2 / 6, 0, 0, 1 / 6, 3 / 6, 0, 0].map(Math.fround),
  );
});
