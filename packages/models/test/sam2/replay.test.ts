import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SamPredictor } from '../../src/sam/predictor.js';
import type { Sam2Model } from '../../src/sam2/model.js';
import { Sam2PromptModel } from '../../src/sam2/prompt-model.js';
import { Sam2Tracker } from '../../src/sam2/tracker.js';
import { loadMini, miniVideo } from './mini.js';

let runtime: Runtime;
let direct: Sam2Model;
let replaying: Sam2Model;
let video: Awaited<ReturnType<typeof miniVideo>>;
beforeAll(async () => {
  runtime = await initialize();
  direct = await loadMini({ replay: false });
  replaying = await loadMini({ replay: true });
  video = await miniVideo();
});
afterAll(() => {
  direct.dispose();
  replaying.dispose();
  shutdown(runtime);
});

/** Masks and scores of three objects, of which the last comes in later and is corrected. */
async function track(model: Sam2Model, frames: number) {
  const { height, width, mask } = video;
  const pixels = (frame: number) => video.frames[frame % video.frames.length]!;
  const tracker = new Sam2Tracker(model, { height, width });
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
    held.push(runtime.memory().usedBytes);
  }
  tracker.dispose();
  return { found, held };
}

describe('replayed passes of SAM 2.1', { timeout: 600_000 }, () => {
  it('find what direct ones find, to the bit', async () => {
    const expected = await track(direct, 26);
    const { found } = await track(replaying, 26);
    expect(found).toEqual(expected.found);
    // Memory is full after 20 frames: from then on a frame is like the one before, and is replayed.
    const again = await track(replaying, 26);
    expect(again.found).toEqual(expected.found);
  });

  it('hold no more the longer the video is', async () => {
    const { held } = await track(replaying, 40);
    expect(new Set(held.slice(-12)).size).toBe(1);
    expect(held.at(-1)).toBeLessThan(2 * held[0]!);
  });

  it('segment images as direct ones do', async () => {
    const before = memory().numTensors;
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
    expect(held).toBeGreaterThanOrEqual(before);
  });
});
