/** Masks of what a text names: the boxes come from a network that is told its answers, the masks from a small SAM. */
import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openManifest } from '../../src/checkpoint/index.js';
import { GroundingDetector } from '../../src/grounding-dino/detector.js';
import { segmentByText } from '../../src/grounding-dino/grounded-sam.js';
import { decodeRle } from '../../src/masks/index.js';
import { SamModel, SamPredictor } from '../../src/sam/index.js';
import { steepSamManifest } from '../fixtures/sam/manifest.js';
import { FakeNetwork } from './fake-network.js';

let runtime: Runtime;
let model: SamModel;
beforeAll(async () => {
  runtime = await initialize();
  model = await SamModel.load(openManifest(steepSamManifest()));
});
afterAll(() => {
  model.dispose();
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

const [width, height] = [90, 60];
const data = Uint8Array.from(
  { length: width * height * 3 },
  (_, i) => 128 + 100 * Math.sin(i / 31) * Math.cos(i / 977),
);
const image = { width, height, data };
const queries = [
  { box: [0.3, 0.4, 0.4, 0.5], fits: { cat: 0.6 } },
  { box: [0.7, 0.6, 0.3, 0.4], fits: { dog: 0.9 } },
] as const;

async function withParts(use: (detector: GroundingDetector, predictor: SamPredictor) => Promise<void>): Promise<void> {
  const detector = new GroundingDetector(new FakeNetwork(queries), { shortEdge: height });
  const predictor = new SamPredictor(model);
  try {
    await use(detector, predictor);
  } finally {
    predictor.dispose();
    detector.dispose();
  }
}

describe('segmentByText', () => {
  it('gives the mask of each box, with its score and words', async () => {
    await withParts(async (detector, predictor) => {
      const fractions: number[] = [];
      const onProgress = (fraction: number) => fractions.push(fraction);
      const found = await segmentByText(detector, predictor, image, { text: 'a cat. a dog', onProgress });
      expect(found.map(({ phrase, score }) => [phrase, score])).toEqual([
        ['dog', expect.closeTo(0.9)],
        ['cat', expect.closeTo(0.6)],
      ]);
      expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
      expect(fractions.at(-1)).toBe(1);
      for (const { box, mask } of found) {
        const [alone] = await predictor.predict({ box }, { masks: 'single' });
        expect(mask.mask).toEqual(alone!.mask);
        expect(mask.predictedIou).toBeCloseTo(alone!.predictedIou, 5);
        expect(decodeRle(mask.mask)).toHaveLength(width * height);
      }
      expect(found[0]!.mask.mask).not.toEqual(found[1]!.mask.mask);
    });
  });

  it('does not encode the picture for masks when nothing is found', async () => {
    await withParts(async (detector, predictor) => {
      const setImage = vi.spyOn(predictor, 'setImage');
      const onProgress = vi.fn();
      expect(await segmentByText(detector, predictor, image, { text: 'zebra', onProgress })).toEqual([]);
      expect(setImage).not.toHaveBeenCalled();
      expect(onProgress).toHaveBeenLastCalledWith(1);
    });
  });

  it('stops where it is told to', async () => {
    await withParts(async (detector, predictor) => {
      const { signal } = { signal: AbortSignal.abort(new Error('enough')) };
      await expect(segmentByText(detector, predictor, image, { text: 'cat', signal })).rejects.toThrow('enough');
    });
  });
});
