/**
 * What the detector finds with the network, against detections of the published implementation: the picture, the caption and the raw
 * output of a small model with procedural weights are stored, the rest is their post-processing.
 */
import { fileURLToPath } from 'node:url';
import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cornersOf,
  type GroundedDetection,
  GroundingDetector,
  GroundingDino,
  openCheckpoint,
  openManifest,
} from '../../src/index.js';
import { groundingDinoManifest, MINI_CONFIG } from '../../src/testing/index.js';

const taps = await openCheckpoint(
  fileURLToPath(new URL('../fixtures/grounding-dino/mini.taps.safetensors', import.meta.url)),
);
const [height, width] = taps.info('image.rgb_u8').shape as [number, number];
const picture = { width, height, data: (await taps.readRaw('image.rgb_u8')).data };
const text = taps.metadata['caption']!;
const [, queries, tokens] = taps.info('pred_logits').shape as [number, number, number];

let runtime: Runtime;
let model: GroundingDino;
let detector: GroundingDetector;
let idle = 0;
beforeAll(async () => {
  runtime = await initialize();
  model = await GroundingDino.load(openManifest(groundingDinoManifest(MINI_CONFIG, 41)));
  idle = memory().numTensors;
  detector = new GroundingDetector(model, { shortEdge: height });
});
afterAll(async () => {
  detector.dispose();
  await Promise.resolve();
  // Positions, centres and which proposals count, of the images' size, are the model's.
  expect(memory().numTensors).toBe(idle + 3);
  model.dispose();
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

/** Best score and box in pixels of every query of the published implementation. */
async function reference(): Promise<{ score: number; box: readonly number[] }[]> {
  const [logits, boxes] = [(await taps.read('pred_logits')).data, (await taps.read('pred_boxes')).data];
  return Array.from({ length: queries }, (_, q) => {
    const [cx, cy, w, h] = boxes.subarray(4 * q, 4 * q + 4) as unknown as [number, number, number, number];
    return {
      score: 1 / (1 + Math.exp(-Math.max(...logits.subarray(q * tokens, (q + 1) * tokens)))),
      box: cornersOf([cx * width, cy * height, w * width, h * height]),
    };
  });
}

describe('GroundingDetector with the network', () => {
  it('finds what the published implementation finds', async () => {
    const expected = await reference();
    for (const boxThreshold of [0.35, 0.9995]) {
      const { detections } = await detector.detect(picture, { text, boxThreshold });
      const confident = expected.filter(({ score }) => score > boxThreshold);
      expect(confident.length).toBeGreaterThan(10);
      expect(detections.length).toBe(confident.length);
      // As sets: queries of nearly equal scores may have changed places.
      const distance = (a: { score: number; box: readonly number[] }, b: GroundedDetection) =>
        Math.max(Math.abs(a.score - b.score), ...a.box.map((corner, i) => Math.abs(corner - b.box[i]!)));
      for (const one of confident) {
        expect(Math.min(...detections.map((detection) => distance(one, detection)))).toBeLessThan(1e-3);
      }
      for (const detection of detections) {
        expect(Math.min(...confident.map((one) => distance(one, detection)))).toBeLessThan(1e-3);
      }
    }
  });

  it('finds the same when picture and caption are known', async () => {
    const first = await detector.detect(picture, { text, boxThreshold: 0 });
    await detector.detect(picture, { text: 'something else', boxThreshold: 0 });
    const tensors = memory().numTensors;
    expect(await detector.detect(picture, { text, boxThreshold: 0 })).toEqual(first);
    expect(memory().numTensors).toBe(tensors);
  });

  it('finds classes and phrases where it finds their captions', async () => {
    const classes = ['a cat', 'remote control'];
    const { detections, captions } = await detector.detect(picture, { classes, scoring: 'span', boxThreshold: 0 });
    expect(captions).toEqual([{ text: 'a cat . remote control .', cut: 0 }]);
    expect(detections).toHaveLength(2 * queries);
    const span = (words: string) => [text.indexOf(words), text.indexOf(words) + words.length] as const;
    const phrases = classes.map((words) => [span(words)]);
    expect((await detector.detect(picture, { text, phrases, boxThreshold: 0 })).detections).toEqual(detections);
  });

  it('leaves nothing behind when it is stopped in the midst', async () => {
    await detector.detect(picture, { text, boxThreshold: 0 });
    const tensors = memory().numTensors;
    const controller = new AbortController();
    const stopped = detector.detect(picture, { text, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 5);
    await expect(stopped).rejects.toThrow('enough');
    expect(memory().numTensors).toBe(tensors);
  });
});
