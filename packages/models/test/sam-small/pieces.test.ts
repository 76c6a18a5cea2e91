import { expect, it } from 'vitest';
import { decodeRle, encodeRle } from '../../src/masks/index.js';
import { clickedPieces, withoutPieces } from '../../src/sam-small/pieces.js';

const [W, H] = [100, 40];
type Rectangle = readonly [x0: number, y0: number, x1: number, y1: number];
const draw = (...rectangles: Rectangle[]) => {
  const pixels = new Uint8Array(W * H);
  for (const [x0, y0, x1, y1] of rectangles) {
    for (let y = y0; y < y1; y++) pixels.fill(1, y * W + x0, y * W + x1);
  }
  return pixels;
};
const mask = (...rectangles: Rectangle[]) => encodeRle(draw(...rectangles), W, H);

const clicked: Rectangle = [10, 10, 30, 30];
const beside: Rectangle = [32, 10, 42, 30]; // two pixels away, half of the area
const far: Rectangle = [60, 10, 80, 30];
const crumb: Rectangle = [31, 10, 33, 12];

it('pieces without a click stay where they are large and near a clicked one', () => {
  const click = { points: [[15, 15]] as const, labels: [1] };
  expect(clickedPieces(mask(clicked, beside), click)).toBeUndefined();
  for (const stray of [far, crumb]) {
    const cleaned = clickedPieces(mask(clicked, stray), click)!;
    expect(decodeRle(cleaned.mask)).toEqual(draw(clicked));
    expect(cleaned.isGone(stray[0], stray[1])).toBe(true);
    expect(cleaned.isGone(15, 15)).toBe(false);
  }
});

it('every piece with a click stays', () => {
  const points = [
    [15, 15],
    [70, 20],
  ] as const;
  expect(clickedPieces(mask(clicked, far), { points, labels: [1, 1] })).toBeUndefined();
  const cleaned = clickedPieces(mask(clicked, far), { points, labels: [1, 0] })!;
  expect(decodeRle(cleaned.mask)).toEqual(draw(clicked));
});

it('nothing changes where no click on the object hits a piece, as for a box', () => {
  expect(clickedPieces(mask(clicked, far), { box: [0, 0, W, H] })).toBeUndefined();
  expect(clickedPieces(mask(clicked, far), { points: [[50, 35]], labels: [1] })).toBeUndefined();
});

it('what went is background in the logits of a window, and the rest is as it was', () => {
  const { isGone } = clickedPieces(mask(clicked, far), { points: [[15, 15]], labels: [1] })!;
  const lowRes = new Float32Array(128 * 128).fill(3);
  const out = withoutPieces({ window: [0, 0, W, H], lowRes }, isGone).lowRes;
  const cell = (x: number, y: number) => out[Math.floor((y * 128) / W) * 128 + Math.floor((x * 128) / W)];
  expect([cell(70, 20), cell(20, 20), cell(50, 20), cell(20, 90)]).toEqual([-4, 3, 3, 3]);
  expect(lowRes.every((logit) => logit === 3)).toBe(true);
});
