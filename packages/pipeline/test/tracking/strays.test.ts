import { expect, it } from 'vitest';
import type { LabelMap } from '../../src/io/index.js';
import { VideoTracker } from '../../src/tracking/index.js';
import { findStrays, labelPieces, pixelsOf, withoutPixels } from '../../src/tracking/strays.js';
import { COLOURS, frameOf, iouOf, truthOf } from '../discovery/clip.js';

const [W, H] = [120, 60];
type Block = readonly [id: number, x0: number, y0: number, x1: number, y1: number];
function mapOf(...blocks: Block[]): LabelMap {
  const data = new Uint16Array(W * H);
  for (const [id, x0, y0, x1, y1] of blocks) {
    for (let y = y0; y < y1; y++) data.fill(id, y * W + x0, y * W + x1);
  }
  return { width: W, height: H, data };
}

/** Pieces by flooding, pixel by pixel. */
function flooded({ width, height, data }: LabelMap): string[] {
  const seen = new Uint8Array(data.length);
  const found: string[] = [];
  for (const start of data.keys()) {
    if (data[start] === 0 || seen[start]) continue;
    const pixels = [start];
    seen[start] = 1;
    for (const at of pixels) {
      for (const [dx, dy] of [-1, 0, 1].flatMap((x) => [-1, 0, 1].map((y) => [x, y] as const))) {
        const [x, y] = [(at % width) + dx, Math.floor(at / width) + dy];
        const next = y * width + x;
        if (x < 0 || y < 0 || x >= width || y >= height || seen[next] || data[next] !== data[start]) continue;
        seen[next] = 1;
        pixels.push(next);
      }
    }
    found.push(`${data[start]}: ${pixels.sort((a, b) => a - b).join()}`);
  }
  return found;
}

it('pieces are what is connected, over corners too, of one id', () => {
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  for (const [width, height, share] of [
    [1, 1, 0.9],
    [17, 9, 0.5],
    [40, 31, 0.4],
    [9, 40, 0.75],
    [64, 3, 0.6],
  ] as const) {
    const data = Uint16Array.from({ length: width * height }, () =>
      random() < share ? 1 + Math.floor(2 * random()) : 0,
    );
    const pieces = labelPieces({ width, height, data });
    expect(pieces.map((piece) => `${piece.id}: ${pixelsOf(piece).join()}`)).toEqual(flooded({ width, height, data }));
    expect(pieces.reduce((sum, { area }) => sum + area, 0)).toBe(data.filter((id) => id > 0).length);
  }
});

const standing: Block = [1, 20, 20, 40, 40];
const lookalike: Block = [1, 90, 10, 110, 30];

it('a lookalike far from the object is a stray, and goes', () => {
  const labels = mapOf(standing, lookalike, [2, 50, 50, 60, 55]);
  const strays = findStrays(mapOf(standing), labels);
  expect(strays.map(({ length }) => length)).toEqual([400]);
  expect(withoutPixels(labels, strays)).toEqual(mapOf(standing, [2, 50, 50, 60, 55]));
});

it('no stray is what has not jumped: parts near the object, one that moved as a whole, another object', () => {
  const before = mapOf(standing);
  expect(findStrays(before, mapOf([1, 20, 20, 28, 40], [1, 30, 20, 41, 40]))).toEqual([]);
  expect(findStrays(before, mapOf(lookalike))).toEqual([]);
  expect(findStrays(before, mapOf(standing, [2, 90, 10, 110, 30]))).toEqual([]);
  expect(findStrays(mapOf(standing, lookalike), mapOf(standing, lookalike))).toEqual([]);
});

it('nor is anything while little is left where the object was, or it was not there', () => {
  expect(findStrays(mapOf(standing), mapOf([1, 20, 20, 24, 40], lookalike))).toEqual([]);
  expect(findStrays(mapOf(), mapOf(standing, lookalike))).toEqual([]);
});

it('what an object loses behind something may appear on its other side, unless it enters the picture', () => {
  const rest: Block = [1, 20, 20, 36, 40];
  expect(findStrays(mapOf(standing), mapOf(rest, [1, 90, 10, 94, 20]))).toEqual([]);
  expect(findStrays(mapOf(standing), mapOf(rest, [1, 116, 10, 120, 20]))).toHaveLength(1);
});

it('with the weights that come with samtrack, lookalikes that enter are left alone, unless strays are kept', async () => {
  const disc = { by: [0, 0], radius: 24, colour: COLOURS[0] } as const;
  const clip = [
    { ...disc, enters: 0, at: [60, 60] },
    { ...disc, enters: 1, at: [190, 80] },
  ] as const;
  const pixelsOfTwin = async (strays?: 'keep' | 'drop') => {
    using tracker = await VideoTracker.load({ engine: 'cpu', longEdge: 321, strays, zoom: 'off' });
    await tracker.addReference(frameOf(clip, 0), truthOf(clip, 0));
    let found = 0;
    for (let i = 1; i < 4; i++) {
      const { data, width } = await tracker.step(frameOf(clip, i));
      found += data.filter((id, at) => id === 1 && at % width > 120).length;
      expect(iouOf({ data, width, height: 136 }, 1, truthOf(clip.slice(0, 1), i), 1)).toBeGreaterThan(
        strays === 'keep' ? 0.3 : 0.8,
      );
    }
    return found;
  };
  expect(await pixelsOfTwin('keep')).toBeGreaterThan(0);
  expect(await pixelsOfTwin()).toBe(0);
});
