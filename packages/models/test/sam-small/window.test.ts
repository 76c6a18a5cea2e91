import { describe, expect, it } from 'vitest';
import { encodeRle } from '../../src/masks/index.js';
import { moveLogits, windowAround } from '../../src/sam-small/window.js';

const size = { width: 400, height: 200 };
const whole = [0, 0, 400, 200];
const maskOf = (x0: number, y0: number, x1: number, y1: number) =>
  encodeRle(
    Uint8Array.from({ length: 400 * 200 }, (_, i) => {
      const [x, y] = [i % 400, Math.floor(i / 400)];
      return x >= x0 && x < x1 && y >= y0 && y < y1 ? 1 : 0;
    }),
    400,
    200,
  );
const nothing = maskOf(0, 0, 0, 0);

describe('the window of the second look', () => {
  it('has twice the longer side of what was found, moved into the image', () => {
    expect(windowAround(maskOf(180, 80, 240, 120), {}, size)).toEqual([150, 40, 270, 160]);
    expect(windowAround(maskOf(0, 0, 60, 40), {}, size)).toEqual([0, 0, 120, 120]);
    expect(windowAround(maskOf(370, 170, 400, 200), {}, size)).toEqual([320, 120, 400, 200]);
  });

  it('also has the clicks on the object and the box in it, and not those beside it', () => {
    const found = maskOf(200, 90, 220, 110);
    const clicks = { points: [[150, 100] as const, [10, 10] as const], labels: [1, 0] };
    expect(windowAround(found, clicks, size)).toEqual([115, 30, 255, 170]);
    expect(windowAround(found, { box: [160, 90, 220, 110] }, size)).toEqual([130, 40, 250, 160]);
  });

  it('is no smaller than a fifth of the longer side, and the whole image where it would be most of it', () => {
    expect(windowAround(maskOf(200, 100, 202, 102), {}, size)).toEqual([161, 61, 241, 141]);
    expect(windowAround(maskOf(20, 20, 380, 180), {}, size)).toEqual(whole);
    expect(windowAround(nothing, {}, size)).toEqual(whole);
    expect(windowAround(nothing, { points: [[10, 10]], labels: [0] }, size)).toEqual(whole);
  });
});

describe('the window in a picture of few pixels', () => {
  it('has all of them, or as many as can show something', () => {
    for (let width = 1; width <= 24; width++) {
      for (let height = 1; height <= 24; height++) {
        const point = [width - 1, height - 1] as const;
        const [x0, y0, x1, y1] = windowAround(nothing, { points: [point], labels: [1] }, { width, height });
        expect([x0, y0, x1, y1].every((at) => Number.isInteger(at) && at >= 0)).toBe(true);
        expect([x1, y1, Math.max(x1 - x0, y1 - y0)]).toEqual([
          width,
          height,
          Math.max(width, height) > 9 ? 8 : Math.max(width, height),
        ]);
      }
    }
  });
});

describe('logits of a window as those of another one', () => {
  const ramp = Float32Array.from({ length: 128 * 128 }, (_, i) => i % 128);

  it('stay what they are where it is the same', () => {
    expect(moveLogits({ window: [40, 40, 168, 168], lowRes: ramp }, [40, 40, 168, 168])).toEqual(ramp);
  });

  it('are read in between, and are background where the other does not reach', () => {
    // A cell is a pixel there, and half of one here, 32 pixels to the right.
    const out = moveLogits({ window: [0, 0, 128, 128], lowRes: ramp }, [32, 0, 96, 64]);
    expect([out[0], out[1], out[127]]).toEqual([31.75, 32.25, 95.25]);
    const beyond = moveLogits({ window: [0, 0, 128, 128], lowRes: ramp }, [64, 0, 192, 128]);
    expect([beyond[0], beyond[63], beyond[64], beyond[127]]).toEqual([64, 127, -8, -8]);
  });
});
