/** Snapshots of trackers: another one goes on from a stored one with the same bytes, on either engine. */
import { initialize, shutdown } from '@samtrack/kernels';
import { initializeCpu, shutdownCpu } from '@samtrack/onnx';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemorySource } from '../../src/checkpoint/byte-source.js';
import {
  DEAOT_CONFIGS,
  DeAot,
  type DeAotName,
  DeAotTracker,
  LabelPropagationModel,
  LabelPropagationTracker,
  OutOfBudgetError,
  openManifest,
  openSnapshot,
  storedSnapshot,
  type Tracker,
  TrackerError,
  type TrackerOptions,
  type TrackerSnapshot,
} from '../../src/index.js';
import { deaotManifest } from '../fixtures/deaot/manifest.js';
import { scene } from './scene.js';

const SIZE = { height: 48, width: 64 };

const { frame, stripes } = scene(SIZE);

async function fileOf(snapshot: TrackerSnapshot, about = ''): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of storedSnapshot(snapshot, about)) pieces.push(piece.slice());
  return new Uint8Array(Buffer.concat(pieces));
}

const snapshotOf = (bytes: Uint8Array<ArrayBuffer>) => openSnapshot(new MemorySource(bytes, 'memory.safetensors'));

type Steps = (tracker: Tracker, from: number, to: number) => Promise<void>;

/** Propagates, with another reference on the way where more objects come in. */
const steps: Steps = async (tracker, from, to) => {
  for (let index = from; index < to; index++) {
    if (index === 0) await tracker.addReference(0, frame(0), stripes(3), 3);
    else if (index === 4) await tracker.addReference(4, frame(4), stripes(12), 12);
    else await tracker.step(index, frame(index));
  }
};

/** What a tracker does after a break: with its own memory, and with that of a file. */
async function expectSame(start: () => Tracker, brokenAt: number, count: number): Promise<void> {
  const undisturbed = start();
  await steps(undisturbed, 0, brokenAt);
  const bytes = await fileOf(undisturbed.snapshot!());
  const restored = start();
  await restored.restore!(await snapshotOf(bytes));
  expect(restored.memoryBytes).toBe(undisturbed.memoryBytes);
  expect(restored.memorisedFrames).toEqual(undisturbed.memorisedFrames);
  const seen = new Set<string>();
  for (let index = brokenAt; index < count; index++) {
    const expected = await undisturbed.step(index, frame(index));
    seen.add(expected.join());
    expect(await restored.step(index, frame(index))).toEqual(expected);
  }
  expect(seen.size).toBeGreaterThan(1);
  // What they remember then, to the bit.
  expect(await fileOf(restored.snapshot!())).toEqual(await fileOf(undisturbed.snapshot!()));
  restored.dispose();
  undisturbed.dispose();
}

describe.each([
  ['webgpu', initialize, shutdown],
  ['cpu', initializeCpu, shutdownCpu],
] as const)('a stored snapshot, %s', (_, open, close) => {
  let opened: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => {
    expect(memory().numTensors).toBe(0);
    close(opened as never);
  });

  const withDeAot = async (name: DeAotName, use: (start: (options?: TrackerOptions) => Tracker) => Promise<void>) => {
    const layers = DEAOT_CONFIGS[name].layers;
    const model = await DeAot.load(openManifest(deaotManifest({ layers })), DEAOT_CONFIGS[name]);
    try {
      await use((options) => new DeAotTracker(model, SIZE, options));
    } finally {
      model.dispose();
    }
  };

  it('of DeAOT-S, where nothing predicted is memorised', () =>
    withDeAot('deaot-s', (start) => expectSame(() => start(), 7, 10)));

  it('of DeAOT-L in two groups, whose memory is full and drops frames', () =>
    withDeAot('deaot-l', (start) => expectSame(() => start({ memoryMB: 4, longTermGap: 1 }), 12, 16)));

  it('of label propagation', async () => {
    const model = await LabelPropagationModel.load(openManifest(deaotManifest()));
    await expectSame(() => new LabelPropagationTracker(model, SIZE), 7, 11);
    model.dispose();
  });

  it('is refused where it does not fit, and the tracker is what it was', async () => {
    await withDeAot('deaot-s', async (start) => {
      const tracker = start();
      await steps(tracker, 0, 2);
      const before = await fileOf(tracker.snapshot!());
      const whole = tracker.snapshot!();
      const { tensors } = whole;
      const refused = (snapshot: TrackerSnapshot) => tracker.restore!(snapshot);
      const missing = { ...whole, tensors: new Map([...tensors].slice(1)) };
      await expect(refused(missing)).rejects.toThrow(/layer0\.short\.key is missing, \[20, 128\] is wanted/);
      const misshapen = new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, shape: [1] }]));
      await expect(refused({ ...whole, tensors: misshapen })).rejects.toThrow(TrackerError);
      await withDeAot('deaot-l', async (other) => {
        const large = other();
        await steps(large, 0, 1);
        await expect(large.restore!(whole)).rejects.toThrow(/2 layers .* not 3 layers/);
        large.dispose();
      });
      const poor = start({ memoryMB: 0.1 });
      await expect(poor.restore!(whole)).rejects.toThrow(OutOfBudgetError);
      poor.dispose();
      expect(await fileOf(tracker.snapshot!())).toEqual(before);
      tracker.dispose();
    });
  });
});

describe('a file of a snapshot', () => {
  const snapshot = (): TrackerSnapshot => ({
    state: { frames: [1, 2], gap: null },
    tensors: new Map([['a', { shape: [2, 2], read: async () => new Float32Array([1, 2, 3, Number.NaN]) }]]),
  });

  it('holds what it was made of, and what it was stored with', async () => {
    const { about, state, tensors } = await snapshotOf(await fileOf(snapshot(), 'model, options'));
    expect({ about, state }).toEqual({ about: 'model, options', state: { frames: [1, 2], gap: null } });
    expect(await tensors.get('a')!.read()).toEqual(new Float32Array([1, 2, 3, Number.NaN]));
  });

  it('is refused with any one byte changed, wherever, or cut short', async () => {
    const bytes = await fileOf(snapshot(), 'x');
    for (let i = 0; i < bytes.length; i++) {
      const damaged = bytes.slice();
      damaged[i]! ^= 1;
      await expect(snapshotOf(damaged), `byte ${i}`).rejects.toThrow(TrackerError);
    }
    await expect(snapshotOf(bytes.slice(0, -1))).rejects.toThrow(/memory\.safetensors is damaged/);
  });
});
