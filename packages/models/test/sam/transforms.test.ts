import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/image/index.js';
import { cropBoxes, pointGrid, touchesCropEdge } from '../../src/sam/crops.js';
import { SamError } from '../../src/sam/error.js';
import { cropImage, longestSideSize, resizeLongestSide, scaleBox, scalePoint } from '../../src/sam/transforms.js';

describe('resize to the longest side', () => {
  it.each([
    [1080, 1920, 576, 1024],
    [534, 800, 684, 1024],
    [2000, 1333, 1024, 682],
    [1024, 1024, 1024, 1024],
    [1, 1, 1024, 1024],
    // Halves are rounded up: 3 / 2048 of 1024 is 1.5.
    [3, 2048, 2, 1024],
    [300, 10_000, 31, 1024],
  ])('%i x %i becomes %i x %i', (height, width, toHeight, toWidth) => {
    expect(longestSideSize({ height, width }, 1024)).toEqual({ height: toHeight, width: toWidth });
  });

  it('refuses an image whose short side would vanish', () => {
    expect(() => longestSideSize({ height: 1, width: 3000 }, 1024)).toThrow(SamError);
    expect(() => longestSideSize({ height: 1, width: 3000 }, 1024)).toThrow('3000x1 pixels is too thin');
  });

  it('resizes pixels to that size', () => {
    const image = { width: 10, height: 5, data: new Uint8Array(150).fill(77) };
    const resized = resizeLongestSide(image, 16);
    expect(resized).toMatchObject({ width: 16, height: 8 });
    expect([...new Set(resized.data)]).toEqual([77]);
  });

  it('scales points and boxes with a factor for each axis', () => {
    const [from, to] = [{ height: 1333, width: 2000 }, longestSideSize({ height: 1333, width: 2000 }, 1024)];
    expect(to).toEqual({ height: 682, width: 1024 });
    expect(scalePoint([1000, 1333], from, to)).toEqual([512, 682]);
    expect(scaleBox([0, 0, 2000, 1333], from, to)).toEqual([0, 0, 1024, 682]);
    expect(scalePoint([100, 100], from, to)).toEqual([100 * (1024 / 2000), 100 * (682 / 1333)]);
  });
});

describe('crops', () => {
  it('are the whole image first, then overlapping ones, column after column', () => {
    expect(cropBoxes({ height: 1080, width: 1920 }, 1, 512 / 1500)).toEqual([
      { box: [0, 0, 1920, 1080], layer: 0 },
      { box: [0, 0, 1144, 724], layer: 1 },
      { box: [0, 356, 1144, 1080], layer: 1 },
      { box: [776, 0, 1920, 724], layer: 1 },
      { box: [776, 356, 1920, 1080], layer: 1 },
    ]);
    const small = cropBoxes({ height: 480, width: 854 }, 1, 512 / 1500);
    expect(small.slice(1).map(({ box: [x0, y0] }) => [x0, y0])).toEqual([
      [0, 0],
      [0, 159],
      [346, 0],
      [346, 159],
    ]);
    expect(small[1]!.box).toEqual([0, 0, 509, 322]);
    expect(cropBoxes({ height: 480, width: 854 }, 2, 512 / 1500)).toHaveLength(1 + 4 + 16);
  });

  it('take their pixels from the image', () => {
    const image = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i) };
    expect(cropImage(image, [1, 0, 3, 2])).toEqual({
      width: 2,
      height: 2,
      data: Uint8Array.of(3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17),
    });
    expect(() => cropImage(image, [1, 0, 4, 2])).toThrow(ImageError);
    expect(() => cropImage(image, [1, 0, 1, 2])).toThrow(ImageError);
  });

  it('grids are centres of cells, row by row', () => {
    expect(pointGrid(2)).toEqual([
      [0.25, 0.25],
      [0.75, 0.25],
      [0.25, 0.75],
      [0.75, 0.75],
    ]);
    expect(pointGrid(32)[1]).toEqual([0.046875, 0.015625]);
  });

  it('a box within 20 pixels of an edge of the crop touches it, unless that is an edge of the image', () => {
    const size = { height: 1000, width: 1000 };
    const crop = [300, 0, 700, 400] as const;
    expect(touchesCropEdge([350, 0, 650, 300], crop, size)).toBe(false);
    expect(touchesCropEdge([320, 0, 650, 300], crop, size)).toBe(true);
    expect(touchesCropEdge([321, 0, 650, 300], crop, size)).toBe(false);
    expect(touchesCropEdge([350, 0, 680, 300], crop, size)).toBe(true);
    expect(touchesCropEdge([350, 15, 650, 300], crop, size)).toBe(false);
    expect(touchesCropEdge([350, 50, 650, 395], crop, size)).toBe(true);
  });
});
