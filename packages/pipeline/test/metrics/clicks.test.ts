import { describe, expect, it } from 'vitest';
import type { Segmenter, SegmentPrompt } from '../../src/assist/index.js';
import { encodeRle, type LabelMap, type RgbaImage } from '../../src/io/index.js';
import { innermostPoint, simulateClicks } from '../../src/metrics/clicks.js';

const [W, H] = [20, 12];
const image: RgbaImage = { width: W, height: H, rgba: new Uint8Array(W * H * 4) };
const box = (x0: number, y0: number, x1: number, y1: number) => (x: number, y: number) =>
  x >= x0 && x < x1 && y >= y0 && y < y1;
const pixels = (...inside: ((x: number, y: number) => boolean)[]) =>
  Uint8Array.from({ length: W * H }, (_, i) => (inside.some((is) => is(i % W, Math.floor(i / W))) ? 1 : 0));

/** A segmenter that answers from a script, one mask a prompt. */
function scripted(masks: Uint8Array[]): Segmenter & { prompts: SegmentPrompt[] } {
  const prompts: SegmentPrompt[] = [];
  return {
    name: 'script',
    prompts,
    async setImage() {},
    async predict(prompt) {
      prompts.push(structuredClone(prompt));
      return [{ mask: encodeRle(masks[prompts.length - 1]!, W, H), score: 1 }];
    },
    everything: async () => [],
    dispose() {},
  };
}

const truth = (...objects: Uint8Array[]): LabelMap => ({
  width: W,
  height: H,
  data: Uint16Array.from({ length: W * H }, (_, i) => objects.findIndex((object) => object[i]) + 1),
});

describe('simulated clicks', () => {
  it('begin in the middle of the object, as far from the picture’s border as from its own', () => {
    expect(innermostPoint(pixels(box(4, 2, 11, 9)), W, H)).toEqual({ point: [7, 5], depth: 4 });
    expect(innermostPoint(pixels(box(0, 0, 5, 5)), W, H)).toEqual({ point: [2, 2], depth: 3 });
    expect(innermostPoint(pixels(), W, H).depth).toBe(0);
  });

  it('correct what is missing and what is too much, and stop when the mask is good', async () => {
    const object = pixels(box(2, 2, 12, 9));
    const half = pixels(box(2, 2, 7, 9));
    const tooMuch = pixels(box(2, 2, 12, 9), box(12, 0, 20, 12));
    const segmenter = scripted([half, tooMuch, object, object]);
    const { labels, objects } = await simulateClicks(segmenter, image, truth(object), { clicks: 5 });
    expect(segmenter.prompts.map(({ points, labels }) => [points!.length, labels])).toEqual([
      [1, [1]],
      [2, [1, 1]],
      [3, [1, 1, 0]],
    ]);
    const [first, second, third] = objects[0]!.points;
    expect([
      object[first![1] * W + first![0]],
      half[second![1] * W + second![0]],
      tooMuch[third![1] * W + third![0]],
    ]).toEqual([1, 0, 1]);
    expect(object[third![1] * W + third![0]]).toBe(0);
    expect(objects).toMatchObject([{ id: 1, iou: 1 }]);
    expect(labels).toEqual(truth(object));
  });

  it('keep the best mask when the clicks are used up', async () => {
    const object = pixels(box(2, 2, 12, 9));
    const half = pixels(box(2, 2, 7, 9));
    const worse = pixels(box(2, 2, 4, 9));
    const { labels, objects } = await simulateClicks(scripted([half, worse]), image, truth(object), { clicks: 2 });
    expect(objects[0]).toMatchObject({ iou: 0.5, labels: [1, 1] });
    expect(labels).toEqual(truth(half));
  });

  it('small objects lie over large ones, under their own ids', async () => {
    const [large, small] = [pixels(box(0, 0, 16, 12)), pixels(box(4, 4, 8, 8))];
    // Object 1 is the small one.
    const { labels } = await simulateClicks(scripted([small, large]), image, truth(small, large), { clicks: 1 });
    expect(labels).toEqual(truth(small, large));
  });
});
