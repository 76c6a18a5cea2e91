import { fileURLToPath } from 'node:url';
import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/index.js';
import type { PixelImage } from '../../src/image/index.js';
import { decodeRle } from '../../src/masks/index.js';
import { SamPredictor, segmentEverything } from '../../src/sam/index.js';
import { Sam2PromptModel } from '../../src/sam2/prompt-model.js';
import { compareTap } from '../../src/verify/taps.js';
import { loadMini } from './mini.js';

let runtime: Runtime;
let model: Sam2PromptModel;
let taps: Checkpoint;
let image: PixelImage;
beforeAll(async () => {
  runtime = await initialize();
  model = new Sam2PromptModel(await loadMini());
  taps = await openCheckpoint(fileURLToPath(new URL('../fixtures/sam2/sam2-mini.taps.safetensors', import.meta.url)));
  const { data, shape } = await taps.readRaw('image.rgb_u8');
  image = { height: shape[0]!, width: shape[1]!, data };
});
afterAll(async () => {
  await taps.close();
  model.dispose();
  shutdown(runtime);
});

const tap = async (name: string) => (await taps.read(name)).data;
const point = async (name: string) => {
  const [x, y] = await tap(`image.${name}.points`);
  return [x!, y!] as const;
};
const clamped = (values: Float32Array) => values.map((x) => Math.max(-32, Math.min(32, x)));

describe('the image predictor of SAM 2.1', { timeout: 600_000 }, () => {
  it('gives what the published one does: three masks of a click, one of clear prompts', async () => {
    const before = memory().numTensors;
    const predictor = new SamPredictor(model);
    await predictor.setImage(image);
    const compare = async (
      name: string,
      masks: readonly { lowRes: Float32Array; predictedIou: number }[],
      kind: string,
    ) => {
      const low = Float32Array.from(masks.flatMap(({ lowRes }) => [...clamped(lowRes)]));
      expect(compareTap(name, low, await tap(`image.${name}.${kind}.low_res`), 1e-6)).toMatchObject({ pass: true });
    };
    const click = { points: [await point('point1')], labels: [1] };
    const three = await predictor.predict(click);
    await compare('point1', three, 'multi');
    const ious = await tap('image.point1.ious4');
    three.forEach(({ predictedIou }, i) => {
      expect(predictedIou).toBeCloseTo(ious[i + 1]!, 4);
    });
    const [single] = await predictor.predict(click, { masks: 'single' });
    await compare('point1', [single!], 'single');
    expect(await predictor.predict(click, { masks: 'all' })).toHaveLength(4);
    const box = await tap('image.box_point.box');
    const both = {
      box: [box[0]!, box[1]!, box[2]!, box[3]!] as const,
      points: [await point('box_point')],
      labels: [0],
    };
    await compare('box_point', await predictor.predict(both, { masks: 'single' }), 'single');
    // Masks are of the image's size, and what is above 0 of the logits enlarged in one step.
    const [whole] = await predictor.predict(click, { masks: 'single', logits: true });
    expect(whole!.logits).toHaveLength(image.width * image.height);
    expect([...decodeRle(whole!.mask)]).toEqual(Array.from(whole!.logits!, (x) => (x > 0 ? 1 : 0)));
    predictor.dispose();
    expect(memory().numTensors).toBe(before);
  });

  it('takes prompts of several kinds in one call, and gives each its own', async () => {
    const predictor = new SamPredictor(model);
    await predictor.setImage(image);
    const first = await point('point1');
    const prompts = [
      { points: [first], labels: [1] },
      { box: [20, 20, 100, 90] as const },
      { points: [[90, 60] as const], labels: [1] },
      {},
    ];
    const together = await predictor.predictBatch(prompts, { masks: 'single' });
    for (const [i, prompt] of prompts.entries()) {
      const [alone] = await predictor.predict(prompt, { masks: 'single' });
      expect(compareTap('batch', together[i]![0]!.lowRes, alone!.lowRes, 1e-9)).toMatchObject({ pass: true });
    }
    const saved = await predictor.save();
    const restored = new SamPredictor(model);
    restored.restore(saved);
    const [again] = await restored.predict(prompts[0]!, { masks: 'single' });
    expect(again!.lowRes).toEqual((await predictor.predict(prompts[0]!, { masks: 'single' }))[0]!.lowRes);
    predictor.dispose();
    restored.dispose();
  });

  it('segments everything with the published threshold, unless another is given', async () => {
    const all = { pointsPerSide: 2, stabilityScoreThresh: 0, boxNmsThresh: 1 };
    const found = await segmentEverything(model, image, { ...all, predIouThresh: 0 });
    const likely = found.filter(({ predictedIou }) => predictedIou > 0.8);
    const published = await segmentEverything(model, image, all);
    expect(published.map(({ area }) => area)).toEqual(likely.map(({ area }) => area));
    expect(published.length).toBeLessThan(found.length);
  });

  it('segments everything', async () => {
    const before = memory().numTensors;
    const found = await segmentEverything(model, image, {
      pointsPerSide: 4,
      predIouThresh: 0,
      stabilityScoreThresh: 0,
      boxNmsThresh: 0.9,
    });
    expect(found.length).toBeGreaterThan(0);
    for (const { area, bbox } of found) {
      expect(area).toBeGreaterThan(0);
      expect(bbox[0] + bbox[2]).toBeLessThanOrEqual(image.width);
    }
    expect(memory().numTensors).toBe(before);
  });

  it('shows every mask to the network once more where it is asked to', async () => {
    const before = memory().numTensors;
    const [x, y] = await point('point1');
    const click = { points: [[x, y] as const], labels: [1] };
    const predictor = new SamPredictor(model);
    await predictor.setImage(image);
    const expected = new Map<number, number>();
    for (const { lowRes } of await predictor.predict(click)) {
      const [refined] = await predictor.predict({ ...click, mask: clamped(lowRes) }, { masks: 'single' });
      expected.set(refined!.area, refined!.predictedIou);
    }
    predictor.dispose();
    const all = { predIouThresh: 0, stabilityScoreThresh: 0, boxNmsThresh: 1 };
    const pointGrids = [[[x / image.width, y / image.height] as const]];
    const found = await segmentEverything(model, image, { ...all, pointGrids, useM2m: true });
    expect(found.length).toBeGreaterThan(0);
    for (const { area, predictedIou } of found) expect(expected.get(area)).toBeCloseTo(predictedIou, 5);
    const once = await segmentEverything(model, image, { ...all, pointGrids });
    expect(once.map(({ area }) => area)).not.toEqual(found.map(({ area }) => area));
    expect(memory().numTensors).toBe(before);
  });

  it('fills holes and removes islands of its own masks where it is asked to', async () => {
    const before = memory().numTensors;
    const pixels = model.lowRes ** 2;
    const all = { pointsPerSide: 1, predIouThresh: 0, stabilityScoreThresh: 0, boxNmsThresh: 1 };
    const as = async (options: { maxHoleArea?: number; maxSprinkleArea?: number }) =>
      (await segmentEverything(model, image, { ...all, ...options })).map(({ area }) => area);
    const found = await as({});
    const [filled, bare] = [await as({ maxHoleArea: 8 }), await as({ maxSprinkleArea: 8 })];
    const sum = (areas: number[]) => areas.reduce((a, b) => a + b, 0);
    expect(sum(filled)).toBeGreaterThan(sum(found));
    expect(sum(bare)).toBeLessThan(sum(found));
    // All there is around the objects is a hole then.
    expect(new Set(await as({ maxHoleArea: pixels }))).toEqual(new Set([image.width * image.height]));
    await expect(as({ maxHoleArea: -1 })).rejects.toThrow(/maxHoleArea is -1/);
    expect(memory().numTensors).toBe(before);
  });
});
