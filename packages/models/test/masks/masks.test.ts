import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bitsToRle,
  decodeRle,
  encodeRle,
  fillHoles,
  nonMaximumSuppression,
  placeRle,
  removeIslands,
} from '../../src/masks/index.js';
import { boxIou } from '../../src/masks/nms.js';

/** `#` is foreground. */
const draw = (text: string) => {
  const rows = text.trim().split(/\s+/);
  const width = rows[0]!.length;
  return { width, height: rows.length, data: Uint8Array.from(rows.join(''), (c) => (c === '#' ? 1 : 0)) };
};
const show = (data: Uint8Array, width: number) =>
  [...data]
    .map((v, i) => (v ? '#' : '.') + ((i + 1) % width ? '' : '\n'))
    .join('')
    .trim();

describe('bitsToRle', () => {
  it('is encodeRle of the same pixels, whatever the height', () => {
    const masks = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 100 })).chain(([width, height]) =>
      fc.record({
        width: fc.constant(width),
        height: fc.constant(height),
        // Long runs as well as short ones.
        mask: fc
          .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 90 })), { minLength: 1, maxLength: 12 })
          .map((runs) => runs.flatMap(([on, length]) => new Array<number>(length).fill(on ? 1 : 0)))
          .map((pixels) => Array.from({ length: width * height }, (_, i) => pixels[i % pixels.length]!)),
      }),
    );
    fc.assert(
      fc.property(masks, ({ width, height, mask }) => {
        const words = Math.ceil(height / 32);
        // What lies beyond the last row must not matter.
        const bits = new Int32Array(width * words).fill(height % 32 ? -1 << (height % 32) : 0);
        for (let x = 0; x < width; x++) {
          for (let word = 0; word + 1 < words; word++) bits[x * words + word] = 0;
          for (let y = 0; y < height; y++) if (mask[y * width + x]) bits[x * words + (y >> 5)]! |= 1 << (y & 31);
        }
        const rle = bitsToRle(bits, width, height);
        expect([...decodeRle(rle)]).toEqual(mask);
        expect(rle).toEqual(encodeRle(mask, width, height));
      }),
    );
  });
});

describe('placeRle', () => {
  it('is the encoding of the mask in the whole image', () => {
    const side = (min: number) => fc.integer({ min, max: 6 });
    const part = fc.record({
      width: side(1),
      height: side(1),
      x: side(0),
      y: side(0),
      right: side(0),
      below: side(0),
      pixels: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 36, maxLength: 36 }),
    });
    fc.assert(
      fc.property(part, ({ width, height, x, y, right, below, pixels }) => {
        const mask = pixels.slice(0, width * height);
        const [wide, high] = [x + width + right, y + height + below];
        const whole = new Uint8Array(wide * high);
        for (const [i, pixel] of mask.entries()) whole[(y + Math.floor(i / width)) * wide + x + (i % width)] = pixel;
        const placed = placeRle(encodeRle(mask, width, height), [x, y], [high, wide]);
        expect(placed).toEqual(encodeRle(whole, wide, high));
      }),
    );
  });

  it('refuses a part that reaches beyond', () => {
    expect(() => placeRle(encodeRle([1, 1], 2, 1), [1, 0], [1, 2])).toThrow(RangeError);
  });
});

describe('small regions', () => {
  it('holes below the limit are filled, larger ones and the outside are not', () => {
    const { data, width, height } = draw(`
      ..........
      .########.
      .#.##..##.
      .####..##.
      .########.
      ..........`);
    const filled = fillHoles(data, width, height, 4);
    expect(filled.changed).toBe(true);
    expect(show(filled.data, width)).toBe('..........\n.########.\n.####..##.\n.####..##.\n.########.\n..........');
    expect(fillHoles(filled.data, width, height, 4).changed).toBe(false);
  });

  it('a hole that touches the outside over a corner is none', () => {
    const { data, width, height } = draw('.####\n#.###\n#####');
    expect(fillHoles(data, width, height, 2)).toMatchObject({ changed: false });
  });

  it('islands below the limit go; corners connect', () => {
    const { data, width, height } = draw('##...#\n##..#.\n...#..\n......\n#....#');
    const cleaned = removeIslands(data, width, height, 3);
    expect(show(cleaned.data, width)).toBe('##...#\n##..#.\n...#..\n......\n......');
    expect(cleaned.changed).toBe(true);
  });

  it('where every island is small the largest stays', () => {
    const { data, width, height } = draw('#..##\n.....\n##..#');
    expect(show(removeIslands(data, width, height, 9).data, width)).toBe('...##\n.....\n.....');
    expect(removeIslands(new Uint8Array(4), 2, 2, 9)).toEqual({ data: new Uint8Array(4), changed: false });
  });

  it('components that meet late are one', () => {
    const { data, width, height } = draw('#.#.#\n#.#.#\n#####\n.....\n#....');
    expect(show(removeIslands(data, width, height, 2).data, width)).toBe('#.#.#\n#.#.#\n#####\n.....\n.....');
  });
});

describe('nonMaximumSuppression', () => {
  it('keeps the best of overlapping boxes, best first', () => {
    const boxes = [
      [0, 0, 10, 10],
      [1, 1, 11, 11],
      [20, 0, 30, 10],
      [0, 0, 10, 9],
    ] as const;
    expect(nonMaximumSuppression(boxes, [0.5, 0.9, 0.7, 0.6], 0.62)).toEqual([1, 2, 3]);
    expect(nonMaximumSuppression(boxes, [0.5, 0.9, 0.7, 0.6], 0.9)).toEqual([1, 2, 3, 0]);
  });

  it('suppresses above the threshold only, in the order given for equal scores', () => {
    const boxes = [
      [0, 0, 2, 1],
      [0, 0, 1, 1],
      [0, 0, 2, 1],
    ] as const;
    expect(boxIou(boxes[0], boxes[1])).toBe(0.5);
    expect(nonMaximumSuppression(boxes, [1, 1, 1], 0.5)).toEqual([0, 1]);
  });

  it('boxes without area are not suppressed by each other', () => {
    expect(
      nonMaximumSuppression(
        [
          [3, 3, 3, 3],
          [3, 3, 3, 3],
        ],
        [1, 2],
        0.1,
      ),
    ).toEqual([1, 0]);
  });
});
