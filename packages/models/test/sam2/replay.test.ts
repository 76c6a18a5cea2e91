/** Passes that are captured and replayed, on either engine. */
import { initialize, shutdown } from '@samtrack/kernels';
import { initializeCpu, type OnnxEngine, shutdownCpu } from '@samtrack/onnx';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SamPredictor } from '../../src/sam/predictor.js';
import type { Sam2Model } from '../../src/sam2/model.js';
import { Sam2PromptModel } from '../../src/sam2/prompt-model.js';
import { Sam2Tracker } from '../../src/sam2/tracker.js';
import { loadMini, miniVideo } from './mini.js';

const video = await miniVideo();

/** Frames whose pointers are read: fewer than published, so that memories are full soon. */
const maxPointers = 4;

/** Frames after which every memory is full, and frames are alike. */
const FULL = 12;

describe.each([
  ['webgpu', initialize, shutdown],
  ['cpu', initializeCpu, shutdownCpu],
] as const)('replayed passes of SAM 2.1, %s', (_, open, close) => {
  let opened: Awaited<ReturnType<typeof open>>;
  let direct: Sam2Model;
  let replaying: Sam2Model;
  beforeAll(async () => {
    opened = await open();
    direct = await loadMini({ replay: false });
    replaying = await loadMini({ replay: true });
  });
  afterAll(() => {
    direct.dispose();
    replaying.dispose();
    expect(memory().numTensors).toBe(0);
    close(opened as never);
  });

  /** Masks and scores of three objects, of which the last comes in later and is corrected. */
  async function track(model: Sam2Model, frames: number) {
    const { height, width, mask } = video;
    const pixels = (frame: number) => video.frames[frame % video.frames.length]!;
    const tracker = new Sam2Tracker(model, { height, width }, { maxPointers });
    const two = Array.from(mask, (label, i) => (label === 0 && i % width > width - 20 ? 2 : label));
    const found: { labels: Int32Array; scores: readonly number[] }[] = [];
    const held: number[] = [];
    await tracker.addReference(0, pixels(0), two, 2);
    for (let frame = 1; frame < frames; frame++) {
      const labels = await tracker.step(frame, pixels(frame));
      if (frame === 3) await tracker.prompt(3, pixels(3), 3, { box: [4, 4, 30, 40] });
      if (frame === 5) await tracker.prompt(5, pixels(5), 3, { points: [[20, 20]] });
      if (frame === 3 || frame === 5) await tracker.update();
      found.push({ labels, scores: [...tracker.scores] });
      held.push(opened.memory().usedBytes);
    }
    tracker.dispose();
    return { found, held };
  }

  it('find what direct ones find, to the bit, and hold no more the longer the video is', async () => {
    const frames = FULL + 3;
    const { found, held } = await track(direct, frames);
    const replayed = await track(replaying, frames);
    expect(replayed.found).toEqual(found);
    expect(found.some(({ labels }) => labels.some((id) => id > 0))).toBe(true);
    // Captures have buffers of their own.
    expect(replayed.held.at(-1)).toBeGreaterThan(held.at(-1)!);
    expect(new Set(replayed.held.slice(FULL)).size).toBe(1);
    // What an earlier video left is of use to the next, and does not pile up; prompts are captured when they come again.
    const again = await track(replaying, 8);
    expect(again.found).toEqual(found.slice(0, 7));
    expect(again.held.at(-1)).toBeLessThan(1.01 * replayed.held.at(-1)!);
  });

  it('segment images as direct ones do', async () => {
    const { height, width, frames } = video;
    const ask = async (model: Sam2Model, frame: number) => {
      const predictor = new SamPredictor(new Sam2PromptModel(model, false));
      await predictor.setImage({ height, width, data: frames[frame]! });
      const masks = await predictor.predict({ points: [[30, 20]], labels: [1] });
      const boxed = await predictor.predict({ box: [10, 10, 60, 40] });
      predictor.dispose();
      return [...masks, ...boxed].map(({ predictedIou, lowRes }) => ({ predictedIou, lowRes }));
    };
    for (const frame of [0, 1, 2, 3]) expect(await ask(replaying, frame)).toEqual(await ask(direct, frame));
    const held = memory().numTensors;
    for (const frame of [4, 1]) await ask(replaying, frame);
    expect(memory().numTensors).toBe(held);
  });
});

it('compiles a frame on the CPU once, however long the video is', async () => {
  const engine: OnnxEngine = await initializeCpu();
  const model = await loadMini();
  const { height, width, frames, mask } = video;
  const tracker = new Sam2Tracker(model, { height, width }, { maxPointers });
  await tracker.addReference(0, frames[0]!, mask, 1);
  const compiled: number[] = [];
  for (let frame = 1; frame <= FULL + 4; frame++) {
    await tracker.step(frame, frames[frame % frames.length]!);
    compiled.push(engine.compiledGraphs);
  }
  expect(new Set(compiled.slice(FULL)).size).toBe(1);
  tracker.dispose();
  model.dispose();
  await shutdownCpu(engine);
});
