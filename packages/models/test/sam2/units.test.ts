import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bicubicTaps } from '../../src/encoders/hiera.js';
import { windowRows } from '../../src/encoders/windows.js';
import { blockRows } from '../../src/sam2/image-encoder.js';
import { fillHoles, resizeMap, resizeMapAntialiased, stabilityScore } from '../../src/sam2/mask-arithmetic.js';
import { closestConditioningFrames, pointerFrames, recentFrames } from '../../src/sam2/memory-frames.js';
import { rotaryPositions, sinePositions } from '../../src/sam2/positions.js';

describe('windows of an image of tokens', () => {
  it('lead there and back, and are completed at the right and at the bottom', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 }), (grid, window) => {
        const { into, back } = windowRows(grid, window);
        expect(into).toHaveLength((Math.ceil(grid / window) * window) ** 2);
        back.forEach((place, token) => {
          expect(into[place]).toBe(token);
        });
        expect(into.filter((token) => token >= 0)).toHaveLength(grid * grid);
      }),
    );
  });

  it('hold their tokens row by row', () => {
    expect([...windowRows(3, 2).into]).toEqual([0, 1, 3, 4, 2, -1, 5, -1, 6, 7, -1, -1, 8, -1, -1, -1]);
  });
});

describe('blocks of pixels', () => {
  it('are 2x2 of 2x2', () => {
    expect([...blockRows(2, 1)].slice(0, 8)).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
    expect([...blockRows(1, 2)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
    expect([...blockRows(4, 2)].sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });
});

describe('positions', () => {
  it('are interpolated with weights that sum to 1', () => {
    for (const taps of bicubicTaps(7, 256)) expect(taps.reduce((sum, [, w]) => sum + w, 0)).toBeCloseTo(1, 12);
    for (const [from, weight] of bicubicTaps(5, 5)[2]!) expect(weight).toBeCloseTo(from === 2 ? 1 : 0, 12);
  });

  it('turn pairs by the column, then by the row', () => {
    const { cos, sin } = rotaryPositions(3, 8);
    const [row, column] = [2, 1];
    const at = (row * 3 + column) * 8;
    expect(cos[at]).toBeCloseTo(Math.cos(column), 6);
    expect(sin[at + 3]).toBeCloseTo(Math.sin(column * 10000 ** -0.5), 6);
    expect(sin[at + 5]).toBeCloseTo(Math.sin(row), 6);
    expect(cos[at + 4]).toBe(cos[at + 5]);
  });

  it('have rows in the first half of the channels', () => {
    const positions = sinePositions(4, 8);
    expect(positions.slice(0, 4)).toEqual(positions.slice(3 * 8, 3 * 8 + 4));
    expect(positions.slice(4, 8)).toEqual(positions.slice(4 * 4 * 8 - 4 * 8 + 4, 4 * 4 * 8 - 4 * 8 + 8));
  });
});

describe('the frames that a frame attends to', () => {
  it('are all conditioning ones, or the nearest', () => {
    expect(closestConditioningFrames([9, 2], 5, 2)).toEqual({ selected: [9, 2], rest: [] });
    expect(closestConditioningFrames([0, 2, 7, 9, 4], 5, 3)).toEqual({ selected: [4, 7, 2], rest: [0, 9] });
    expect(closestConditioningFrames([5, 6, 8], 5, 2)).toEqual({ selected: [5, 6], rest: [8] });
  });

  it('are the neighbour and multiples of the stride', () => {
    const frames = (...args: Parameters<typeof recentFrames>) => recentFrames(...args).map(({ frame }) => frame);
    expect(frames(10, 1, false)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(frames(10, 1, true)).toEqual([16, 15, 14, 13, 12, 11]);
    expect(frames(11, 3, false)).toEqual([-3, 0, 3, 6, 9, 10]);
    expect(frames(11, 3, true)).toEqual([27, 24, 21, 18, 15, 12]);
    expect(recentFrames(10, 1, false).map(({ row }) => row)).toEqual([5, 4, 3, 2, 1, 0]);
  });

  it('have pointers up to the ends of the video', () => {
    expect(pointerFrames(2, 16, 10, false).map(({ frame }) => frame)).toEqual([1, 0]);
    expect(pointerFrames(7, 16, 10, true).map(({ frame }) => frame)).toEqual([8, 9]);
    expect(pointerFrames(20, 4, 100, false)).toEqual([
      { frame: 19, distance: 1 },
      { frame: 18, distance: 2 },
      { frame: 17, distance: 3 },
    ]);
  });
});

describe('masks', () => {
  const map = (rows: number[][]) => ({
    height: rows.length,
    width: rows[0]!.length,
    data: Float32Array.from(rows.flat()),
  });

  it('are resized as PyTorch does', () => {
    expect([...resizeMap(map([[0, 1]]), 1, 4).data]).toEqual([0, 0.25, 0.75, 1]);
    expect([...resizeMapAntialiased(map([[0, 0, 4, 4]]), 1, 2).data].map((x) => Math.round(x * 1e6) / 1e6)).toEqual([
      0.571429, 3.428571,
    ]);
  });

  it('lose small holes, whose corners touch too', () => {
    const holes = map([
      [1, 1, 1, 1, -9],
      [1, -2, 1, 1, 1],
      [1, 1, -2, 1, 1],
      [1, 1, 1, 1, 1],
    ]);
    expect(fillHoles(holes, 1)).toMatchObject({ filled: 1 });
    const { data, filled } = fillHoles(holes, 2);
    expect(filled).toBe(3);
    expect(data[6]).toBeCloseTo(0.1);
    expect(holes.data[6]).toBe(-2);
  });

  it('are stable where nothing changes with the threshold', () => {
    expect(stabilityScore(Float32Array.of(1, -1, 0.04), 0.05)).toBe(0.5);
    expect(stabilityScore(Float32Array.of(-1, -1), 0.05)).toBe(1);
  });
});
