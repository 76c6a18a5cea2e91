import { fusedOps, initialize, makeResizePlan, preprocess, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { normalisedError } from '@samtrack/kernels/common';
import { dispose, memory, ones, type Tensor, tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY_CHANNELS, VALUE_CHANNELS, WINDOW } from '../../src/deaot/config.js';
import {
  DEAOT_CONFIGS,
  DeAot,
  DeAotTracker,
  type LayerMemory,
  OutOfBudgetError,
  openManifest,
  TrackerError,
  type TrackerOptions,
} from '../../src/index.js';
import { deaotManifest } from '../fixtures/deaot/manifest.js';
import { scene } from '../tracking/scene.js';

const SIZE = { height: 48, width: 64 };
const PIXELS = SIZE.height * SIZE.width;
/** Tokens of a frame: 49x65 pixels for the network, one token every 16. */
const TOKENS = 4 * 5;

let runtime: Runtime;
let model: DeAot;
/** Three layers, as DeAOT-L has. */
let large: DeAot;
beforeAll(async () => {
  runtime = await initialize();
  model = await DeAot.load(openManifest(deaotManifest()), DEAOT_CONFIGS['deaot-t']);
  large = await DeAot.load(openManifest(deaotManifest({ layers: 3 })), DEAOT_CONFIGS['deaot-l']);
});
afterAll(() => {
  model.dispose();
  large.dispose();
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

const { frame, stripes } = scene(SIZE);

const read = async (t: Tensor) => new Float32Array(await runtime.read(t));

/** Everything that a layer's short-term memory holds. */
async function shortTerm({ short }: LayerMemory): Promise<Float32Array[]> {
  return Promise.all([short.key, short.value, short.idValue].map(read));
}

async function withTracker(
  options: TrackerOptions & { of?: DeAot },
  use: (tracker: DeAotTracker) => Promise<void>,
): Promise<void> {
  const before = memory().numTensors;
  const tracker = new DeAotTracker(options.of ?? model, SIZE, options);
  try {
    await use(tracker);
  } finally {
    tracker.dispose();
  }
  expect(memory().numTensors).toBe(before);
}

describe('memory of a reference frame', () => {
  it('is the frame itself, in the long-term and in the short-term memory', async () => {
    await withTracker({ of: large }, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(2), 2);
      for (const { long, short } of tracker.memory[0]!.layers) {
        expect(long.tokens).toBe(TOKENS);
        const [keys, key] = [await read(long.keys), await read(short.key)];
        const columns = long.keys.shape[1]!;
        const turned = Float32Array.from(
          key,
          (_, i) => keys[(i % KEY_CHANNELS) * columns + Math.floor(i / KEY_CHANNELS)]!,
        );
        expect(turned).toEqual(key);
        const held = TOKENS * VALUE_CHANNELS;
        expect((await read(long.value)).subarray(0, held)).toEqual(await read(short.value));
        expect((await read(long.idValue)).subarray(0, held)).toEqual(await read(short.idValue));
      }
    });
  });

  it('stays bit for bit when the same labels are stored again, as often as one likes', async () => {
    await withTracker({ of: large }, async (tracker) => {
      const labels = stripes(3);
      tracker.addReference(0, frame(0), labels, 3);
      const { layers } = tracker.memory[0]!;
      const before = await Promise.all(layers.map(shortTerm));
      for (let i = 0; i < 2; i++) {
        tracker.update(labels);
        expect(await Promise.all(layers.map(shortTerm))).toEqual(before);
      }
      tracker.update(stripes(2));
      expect(await Promise.all(layers.map(shortTerm))).not.toEqual(before);
    });
  });
});

describe('attention', () => {
  it('over the long-term memory does not depend on the order of the frames', async () => {
    await withTracker({}, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(2), 2);
      tracker.addReference(30, frame(30), stripes(3), 3);
      const [layer] = tracker.memory[0]!.layers as [LayerMemory];
      const { long } = layer;
      expect(long.tokens).toBe(2 * TOKENS);
      const columns = long.keys.shape[1]!;
      const other = (token: number) => (token + TOKENS) % (2 * TOKENS);
      const swappedRows = async (t: Tensor) => {
        const data = await read(t);
        const at = (i: number) => other(Math.floor(i / VALUE_CHANNELS)) * VALUE_CHANNELS + (i % VALUE_CHANNELS);
        return tensor(
          Float32Array.from(data, (_, i) => data[at(i)]!),
          t.shape,
        );
      };
      const keys = await read(long.keys);
      const swapped = {
        keys: tensor(
          Float32Array.from(keys, (_, i) => keys[i - (i % columns) + other(i % columns)]!),
          long.keys.shape,
        ),
        value: await swappedRows(long.value),
        idValue: await swappedRows(long.idValue),
        tokens: long.tokens,
      };
      const plan = makeResizePlan(SIZE.height, SIZE.width, tracker.network.height, tracker.network.width);
      const pixels = tensor(new Int32Array(frame(15).buffer), [SIZE.height, SIZE.width], 'int32');
      const image = preprocess(pixels, plan);
      const features = model.encode(image);
      const outputs = [layer, { ...layer, long: swapped }].map((each) => model.propagate(features, () => each));
      const [straight, turned] = await Promise.all(outputs.map(({ out }) => read(out)));
      expect(normalisedError(turned!, straight!)).toBeLessThan(1e-10);
      // The memory matters at all: with the values of the other frame the result is another one.
      const wrong = model.propagate(features, () => ({ ...layer, long: { ...long, value: swapped.value } }));
      expect(normalisedError(await read(wrong.out), straight!)).toBeGreaterThan(1e-6);
      for (const { out, keyValues } of [...outputs, wrong]) dispose([out, ...(keyValues as never[])] as never);
      const { f4, f8, f16, tokens } = features;
      dispose([f4, f8, f16, tokens, image, pixels, swapped.keys, swapped.value, swapped.idValue]);
      dispose(plan.tables as never);
    });
  });

  it('in the window of a corner weighs exactly 64 positions, which sum to 1', async () => {
    const [height, width] = [20, 24];
    const tokens = height * width;
    // Value 0 is 1 everywhere, value 1 marks the positions within reach of the corner, value 2 the corner itself.
    const reach = (WINDOW + 1) / 2;
    const marks = Float32Array.from({ length: tokens * 4 }, (_, i) => {
      const [x, y] = [Math.floor(i / 4) % width, Math.floor(i / 4 / width)];
      return [1, x < reach && y < reach ? 1 : 0, x + y === 0 ? 1 : 0, 0][i % 4]!;
    });
    const operands = {
      query: ones([tokens, KEY_CHANNELS]),
      key: ones([tokens, KEY_CHANNELS]),
      relative: zeros([tokens, 228]),
      value: tensor(marks, [tokens, 4]),
    };
    const { query, key, relative, value } = operands;
    const out = fusedOps.localGatedAttention({
      ...{ height, width, window: WINDOW, query, key, relative, scale: 1 },
      values: [{ tensor: value }],
    });
    const [sum, near, self] = await read(out);
    expect(sum).toBeCloseTo(1, 6);
    expect(near).toBeCloseTo(1, 6);
    expect(self).toBeCloseTo(1 / 64, 6);
    dispose([out, query, key, relative, value]);
  });
});

describe('long-term memory', () => {
  it('with gap 2 holds 1 + t / 2 frames after t frames', async () => {
    await withTracker({ longTermGap: 2 }, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(1), 1);
      for (let t = 1; t <= 5; t++) {
        await tracker.step(t, frame(t));
        expect(tracker.memorisedFrames[0]).toHaveLength(1 + Math.floor(t / 2));
      }
    });
  });

  it('gets every reference frame in every group, and groups as objects are added', async () => {
    await withTracker({}, async (tracker) => {
      const held: number[][] = [];
      for (const objects of [12, 12, 15, 23]) {
        tracker.addReference(held.length, frame(held.length), stripes(objects), objects);
        held.push(tracker.memorisedFrames.map((frames) => frames.length));
      }
      expect(held).toEqual([
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 4, 1],
      ]);
      const labels = await tracker.step(5, frame(5));
      expect(Math.max(...labels)).toBeLessThanOrEqual(23);
    });
  });

  it.each(['fifo', 'sparse'] as const)(
    '%s stays below the budget over a long video, and when groups are added',
    async (memoryPolicy) => {
      const memoryMB = 2.5;
      await withTracker({ of: large, memoryPolicy, memoryMB, longTermGap: 1 }, async (tracker) => {
        let most = 0;
        const check = () => {
          most = Math.max(most, tracker.memoryBytes);
          const tensors = tracker.memory.flatMap(({ layers }) =>
            layers.flatMap(({ long, short }) => [
              long.keys,
              long.value,
              long.idValue,
              short.key,
              short.value,
              short.idValue,
            ]),
          );
          // What it says is what the GPU holds.
          expect(tracker.memoryBytes).toBe(tensors.reduce((sum, { size }) => sum + size * 4, 0));
          expect(tracker.memoryBytes).toBeLessThanOrEqual(memoryMB * 1e6);
        };
        tracker.addReference(0, frame(0), stripes(2), 2);
        for (let t = 1; t <= 9; t++) {
          await tracker.step(t, frame(t));
          check();
        }
        expect(most).toBeGreaterThan(0.8 * memoryMB * 1e6);
        tracker.addReference(13, frame(13), stripes(12), 12);
        check();
        for (let t = 14; t <= 18; t++) {
          await tracker.step(t, frame(t));
          check();
        }
        for (const frames of tracker.memorisedFrames) {
          expect(frames.filter(({ reference }) => reference).map(({ frame: at }) => at)).toContain(13);
        }
        expect(tracker.memorisedFrames[0]!.some(({ frame: at }) => at === 0)).toBe(true);
      });
    },
  );

  it('goes on without predicted frames where references fill the budget', async () => {
    // Room for one long-term frame and the short-term one, in three layers.
    await withTracker({ of: large, memoryMB: 0.6, longTermGap: 1 }, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(1), 1);
      for (let t = 1; t <= 3; t++) await tracker.step(t, frame(t));
      expect(tracker.memorisedFrames).toEqual([[{ frame: 0, reference: true }]]);
      expect(tracker.memorises(4)).toBe(false);
      expect(() => tracker.addReference(4, frame(4), stripes(1), 1)).toThrow(OutOfBudgetError);
      // The refused reference has changed nothing.
      expect((await tracker.step(4, frame(4))).length).toBe(PIXELS);
    });
  });

  it('unbounded fails when the budget is full, and says what it would take', async () => {
    await withTracker({ memoryPolicy: 'unbounded', memoryMB: 0.4, longTermGap: 1 }, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(1), 1);
      const run = async () => {
        for (let t = 1; t <= 20; t++) await tracker.step(t, frame(t));
      };
      await expect(run()).rejects.toThrow(
        /^Remembering 4 frames of up to 10 objects needs 0\.5 MB .* the budget is 0\.4 MB/,
      );
      expect(tracker.memoryBytes).toBeLessThanOrEqual(0.4e6);
    });
  });

  it('refuses a budget that not even the reference fits in', async () => {
    await withTracker({ memoryMB: 0.1 }, async (tracker) => {
      expect(() => tracker.addReference(0, frame(0), stripes(1), 1)).toThrow(OutOfBudgetError);
    });
  });
});

describe('DeAotTracker', () => {
  it('gives the same labels from recorded frames as from single dispatches', async () => {
    const run = async (options: TrackerOptions) => {
      const all: Int32Array[] = [];
      await withTracker({ ...options, longTermGap: 2 }, async (tracker) => {
        tracker.addReference(0, frame(0), stripes(12), 12);
        for (let t = 1; t <= 5; t++) all.push(await tracker.step(t, frame(t)));
      });
      return all;
    };
    expect(await run({})).toEqual(await run({ onTap: () => {} }));
  });

  it('computes the same with the kernels as with stock tfjs operations', async () => {
    const stock = await DeAot.load(openManifest(deaotManifest()), DEAOT_CONFIGS['deaot-t'], { ops: stockOps });
    const logitsOf = async (of: DeAot) => {
      const taps: Promise<Float32Array>[] = [];
      let labels = new Int32Array();
      const onTap = (name: string, value: Tensor) => void (name.endsWith('logits4x') && taps.push(read(value)));
      await withTracker({ of, onTap }, async (tracker) => {
        tracker.addReference(0, frame(0), stripes(3), 3);
        for (let t = 1; t <= 2; t++) labels = (await tracker.step(t, frame(t))) as typeof labels;
      });
      // The last of twelve channels only fills up whole vectors.
      const logits = (await Promise.all(taps)).map((data) => data.filter((_, i) => i % 12 < 11));
      return { logits, labels };
    };
    const [fused, twin] = [await logitsOf(model), await logitsOf(stock)];
    expect(fused.logits).toHaveLength(2);
    for (const [i, logits] of twin.logits.entries())
      expect(normalisedError(fused.logits[i]!, logits)).toBeLessThan(1e-8);
    expect(fused.labels).toEqual(twin.labels);
    stock.dispose();
  });

  it('goes backward as forward: the same frames in the same order give the same, whatever their numbers', async () => {
    const run = async (direction: 'forward' | 'backward') => {
      const indexOf = (t: number) => (direction === 'backward' ? 6 - t : t);
      const [labels, remembered]: [Int32Array[], number[][]] = [[], []];
      await withTracker({ longTermGap: 2, memoryMB: 0.4, memoryPolicy: 'sparse', direction }, async (tracker) => {
        tracker.addReference(indexOf(0), frame(0), stripes(3), 3);
        for (let t = 1; t <= 6; t++) {
          labels.push(await tracker.step(indexOf(t), frame(t)));
          remembered.push(tracker.memorisedFrames[0]!.map(({ frame: index }) => indexOf(index)));
        }
        expect(tracker.memorises(indexOf(9))).toBe(false);
        expect(tracker.memorises(indexOf(10))).toBe(true);
        expect(tracker.longTermGap).toBe(4);
      });
      return { labels, remembered };
    };
    const backward = await run('backward');
    expect(backward).toEqual(await run('forward'));
    expect(backward.remembered.at(-1)).toEqual([0, 4, 6]);
  });

  it('says how sure it is of each object, where it was asked to', async () => {
    await withTracker({ uncertainty: true }, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(2), 2);
      expect((await tracker.certainty()).size).toBe(0);
      const labels = await tracker.step(1, frame(1));
      const certainty = await tracker.certainty();
      for (const [id, { mean, positions }] of certainty) {
        expect(labels).toContain(id);
        expect(mean).toBeGreaterThanOrEqual(0);
        expect(mean).toBeLessThanOrEqual(1);
        expect(positions).toBeGreaterThan(0);
      }
      expect(certainty.size).toBeGreaterThan(0);
    });
    await withTracker({}, async (tracker) => {
      tracker.addReference(0, frame(0), stripes(2), 2);
      await tracker.step(1, frame(1));
      expect((await tracker.certainty()).size).toBe(0);
    });
  });

  it('refuses what does not fit', async () => {
    await withTracker({}, async (tracker) => {
      const code = (value: string) => expect.objectContaining({ constructor: TrackerError, code: value });
      expect(() => tracker.propagate(0, frame(0))).toThrow(code('no-reference'));
      expect(() => tracker.update()).toThrow(code('no-frame'));
      await expect(tracker.labels()).rejects.toThrow(code('no-frame'));
      expect(() => tracker.addReference(0, frame(0), stripes(1), 0)).toThrow(code('no-objects'));
      expect(() => tracker.addReference(0, frame(0).subarray(4), stripes(1), 1)).toThrow(code('size'));
      expect(() => tracker.addReference(0, frame(0), stripes(1).subarray(1), 1)).toThrow(code('size'));
    });
  });

  it('can be disposed twice', () => {
    const tracker = new DeAotTracker(model, SIZE);
    tracker.dispose();
    expect(() => tracker.dispose()).not.toThrow();
  });
});
