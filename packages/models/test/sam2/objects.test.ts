import { getEngine, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import { dispose, memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_POINTS, type Sam2Model } from '../../src/sam2/model.js';
import { compareTap } from '../../src/verify/taps.js';
import { loadMini } from './mini.js';

let runtime: Runtime;
let model: Sam2Model;
beforeAll(async () => {
  runtime = await initialize();
  model = await loadMini();
});
afterAll(() => {
  model.dispose();
  shutdown(runtime);
});

describe('objects of a frame', () => {
  it('are decoded together as they are one by one', async () => {
    const before = memory().numTensors;
    const { side, imageSize } = model;
    const input = toTensor(randomTensor([imageSize, imageSize, 4], 1));
    const image = model.encode(input);
    const seen = [11, 12, 13].map((seed) => toTensor(randomTensor([side ** 2, 256], seed)));
    const together = await model.segmentObjects(seen, image, { multimask: true });
    for (const [i, features] of seen.entries()) {
      const alone = await model.segment(features, image, model.embedPoints(NO_POINTS), { multimask: true });
      for (const part of ['lowRes', 'pointer'] as const) {
        expect(compareTap(part, together[i]![part], alone[part], 1e-10)).toMatchObject({ pass: true });
      }
      expect(together[i]!.score).toBeCloseTo(alone.score, 4);
      expect(together[i]!.iou).toBeCloseTo(alone.iou, 4);
    }
    expect(new Set(together.map(({ score }) => score)).size).toBe(3);
    dispose([input, image, seen] as never);
    expect(memory().numTensors).toBe(before);
  });

  it('more of them than a pass takes are decoded in several', async () => {
    expect(model.objectsAPass).toBe(16);
    const { side, imageSize } = model;
    const input = toTensor(randomTensor([imageSize, imageSize, 4], 1));
    const image = model.encode(input);
    const seen = Array.from({ length: 18 }, (_, i) => toTensor(randomTensor([side ** 2, 256], 20 + (i % 2))));
    const outputs = await model.segmentObjects(seen, image, { multimask: true });
    expect(outputs).toHaveLength(18);
    expect(compareTap('last', outputs[17]!.pointer, outputs[1]!.pointer, 1e-10)).toMatchObject({ pass: true });
    dispose([input, image, seen] as never);
    getEngine().trim();
  });
});
