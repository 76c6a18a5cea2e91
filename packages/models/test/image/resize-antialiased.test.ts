import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageError, resizeAntialiased, toRgb } from '../../src/image/index.js';

interface PillowCase {
  from: [number, number];
  to: [number, number];
  rgb: string;
}

const CASES = JSON.parse(
  readFileSync(new URL('../fixtures/image/pil-bilinear.json', import.meta.url), 'utf8'),
) as PillowCase[];

/** The pixels of `fixtures/image/generate.py`. */
function pixels(width: number, height: number): Uint8Array {
  let state = width * 1000 + height;
  return Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

describe('resizeAntialiased', () => {
  it.each(CASES)('is Pillow bit by bit: $from -> $to', ({ from: [width, height], to, rgb }) => {
    const resized = resizeAntialiased({ width, height, data: pixels(width, height) }, ...to);
    expect(resized).toMatchObject({ width: to[0], height: to[1] });
    expect(Buffer.from(resized.data).toString('hex')).toBe(rgb);
  });

  it('of grey and RGBA pictures is that of their RGB', () => {
    const grey = pixels(8, 3).subarray(0, 48);
    const image = { width: 8, height: 6, data: grey };
    const rgb = Uint8Array.from({ length: 144 }, (_, i) => grey[Math.floor(i / 3)]!);
    expect(resizeAntialiased(image, 3, 4)).toEqual(resizeAntialiased({ width: 8, height: 6, data: rgb }, 3, 4));
    const rgba = Uint8ClampedArray.from({ length: 192 }, (_, i) =>
      i % 4 === 3 ? i % 256 : rgb[(i >> 2) * 3 + (i % 4)]!,
    );
    expect(resizeAntialiased({ width: 8, height: 6, data: rgba }, 3, 4)).toEqual(resizeAntialiased(image, 3, 4));
  });

  it('to the same size leaves the pixels as they are', () => {
    const data = pixels(5, 4);
    expect(resizeAntialiased({ width: 5, height: 4, data }, 5, 4).data).toEqual(data);
  });

  it('of one colour keeps it at every scale', () => {
    const image = { width: 300, height: 10, data: new Uint8Array(9000).fill(255) };
    for (const [width, height] of [
      [7, 3],
      [301, 17],
      [1, 1],
    ] as const) {
      expect(resizeAntialiased(image, width, height).data.every((value) => value === 255)).toBe(true);
    }
  });

  it('refuses what is no image and no size', () => {
    const image = { width: 2, height: 2, data: new Uint8Array(12) };
    expect(() => resizeAntialiased(image, 0, 3)).toThrow(ImageError);
    expect(() => resizeAntialiased(image, 3, 1.5)).toThrow('3x1.5');
    expect(() => resizeAntialiased({ ...image, width: 3 }, 2, 2)).toThrow('3x2 pixels has 12 bytes');
    expect(() => resizeAntialiased({ width: 0, height: 0, data: new Uint8Array() }, 2, 2)).toThrow('0x0');
  });
});

describe('toRgb', () => {
  it('reverses the colours of BGR and drops alpha', () => {
    expect(toRgb({ width: 1, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6) }, { order: 'bgr' }).data).toEqual(
      Uint8Array.of(3, 2, 1, 6, 5, 4),
    );
    expect(toRgb({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3, 4) }).data).toEqual(Uint8Array.of(1, 2, 3));
    expect(toRgb({ width: 1, height: 1, data: Uint8Array.of(9) }).data).toEqual(Uint8Array.of(9, 9, 9));
  });
});
