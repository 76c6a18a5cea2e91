import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxGiou, boxIou, centredBox, clipBox, cornersOf, maskToBox } from '../../src/grounding-dino/boxes.js';
import type { Box } from '../../src/masks/box.js';

const box = fc
  .tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 1, max: 100 })))
  .map(([x, y, width, height]): Box => [x!, y!, x! + width!, y! + height!]);

describe('boxes', () => {
  it('go from corners to centre and back', () => {
    expect(cornersOf([0.5, 0.25, 0.5, 0.25])).toEqual([0.25, 0.125, 0.75, 0.375]);
    fc.assert(
      fc.property(box, (corners) => {
        expect(cornersOf(centredBox(corners))).toEqual(corners);
      }),
    );
  });

  it('have an IoU and a generalised IoU', () => {
    expect(boxIou([0, 0, 2, 2], [1, 1, 3, 3])).toBeCloseTo(1 / 7, 6);
    expect(boxGiou([0, 0, 2, 2], [1, 1, 3, 3])).toBeCloseTo(1 / 7 - 2 / 9, 6);
    expect(boxIou([0, 0, 1, 1], [2, 0, 3, 1])).toBe(0);
    expect(boxGiou([0, 0, 1, 1], [2, 0, 3, 1])).toBeCloseTo(-1 / 3, 6);
    expect(boxIou([1, 1, 1, 1], [1, 1, 1, 1])).toBe(0);
    fc.assert(
      fc.property(box, box, (a, b) => {
        expect(boxIou(a, b)).toBe(boxIou(b, a));
        expect(boxGiou(a, b)).toBeLessThanOrEqual(boxIou(a, b));
        expect(boxGiou(a, b)).toBeGreaterThan(-1);
        expect(boxIou(a, a)).toBeCloseTo(1, 5);
      }),
    );
  });

  it('are clipped to a picture', () => {
    expect(clipBox([-3, -1, 12, 5], { width: 10, height: 8 })).toEqual([0, 0, 10, 5]);
  });

  it('enclose masks by the outermost pixels', () => {
    const mask = new Uint8Array(5 * 4);
    expect(maskToBox(mask, 5)).toBeUndefined();
    mask[1 * 5 + 2] = 1;
    expect(maskToBox(mask, 5)).toEqual([2, 1, 2, 1]);
    mask[3 * 5 + 1] = 1;
    expect(maskToBox(mask, 5)).toEqual([1, 1, 2, 3]);
  });
});
