import fc from 'fast-check';
import { encode } from 'fast-png';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { type LabelMap, labelIds, type MaskReadingName, palette, readMask } from '../../src/io/index.js';
import { errorOf } from './temporary.js';

// Enough pictures to find a broken rule. SAMTRACK_RUNS=50 looks further: a few in a thousand of the others cannot be told from another
// kind, as a rectangle that is soft on one side only, and are refused.

async function read(bytes: Uint8Array, options: { as?: MaskReadingName; dataSet?: boolean } = {}) {
  let meaning = '';
  const map = await readMask(bytes, { ...options, onMeaning: (text) => (meaning = text) });
  return { map, meaning, ids: labelIds(map) };
}

/** A picture of discs and boxes: shape i has value i + 1, later ones lie on earlier ones. */
interface Shape {
  x: number;
  y: number;
  radius: number;
  box: boolean;
}

const inside = ({ x, y, radius, box }: Shape, u: number, v: number) =>
  box ? Math.abs(u - x) <= radius && Math.abs(v - y) <= radius * 0.7 : (u - x) ** 2 + (v - y) ** 2 <= radius ** 2;

function draw(width: number, height: number, shapes: readonly Shape[], scale = 1): Uint8Array {
  const out = new Uint8Array(width * height);
  for (const [i, shape] of shapes.entries()) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++)
        if (inside(shape, (x + 0.5) / scale, (y + 0.5) / scale)) out[y * width + x] = i + 1;
    }
  }
  return out;
}

const [WIDTH, HEIGHT] = [96, 64];
const shape = fc.record({
  x: fc.integer({ min: 16, max: 80 }),
  y: fc.integer({ min: 14, max: 50 }),
  radius: fc.integer({ min: 6, max: 20 }),
  box: fc.boolean(),
});
const grey = (data: Uint8Array | Uint16Array, width = WIDTH, depth: 8 | 16 = 8) =>
  encode({ width, height: data.length / width, channels: 1, depth, data });
const raw = (data: Uint8Array, width = WIDTH) =>
  sharp(Buffer.from(data), { raw: { width, height: data.length / width, channels: 1 } });
const greyOf = (image: Sharp) => image.toColourspace('b-w').png().toBuffer();

/** Share of pixels in which two maps differ, in those that are not near an edge. */
function differs(map: LabelMap, wanted: Uint8Array): number {
  // Sharpness that a quarter of the size has left.
  const reach = [-4, -3, -2, -1, 0, 1, 2, 3, 4];
  let wrong = 0;
  for (let y = 4; y < map.height - 4; y++) {
    for (let x = 4; x < map.width - 4; x++) {
      const i = y * map.width + x;
      if (map.data[i] === wanted[i]) continue;
      const near = reach.flatMap((dy) => reach.map((dx) => wanted[i + dy * map.width + dx]));
      if (near.every((value) => value === wanted[i])) wrong++;
    }
  }
  return wrong;
}

describe('one object with soft edges', () => {
  const soft: [string, (shapes: Shape[]) => Promise<Uint8Array>][] = [
    ...(['cubic', 'lanczos3', 'mitchell', 'linear'] as const).flatMap((kernel) =>
      [0.5, 0.25, 2].map((factor): [string, (shapes: Shape[]) => Promise<Uint8Array>] => [
        `resized from ${factor} times its size (${kernel})`,
        (shapes) => {
          const [width, height] = [WIDTH * factor, HEIGHT * factor];
          const small = draw(width, height, shapes, factor).map((value) => (value ? 255 : 0));
          return greyOf(raw(small, width).resize(WIDTH, HEIGHT, { kernel }));
        },
      ]),
    ),
    ...[2, 3, 4, 8].map((n): [string, (shapes: Shape[]) => Promise<Uint8Array>] => [
      `supersampled ${n}x${n}`,
      async (shapes) => {
        const fine = draw(WIDTH * n, HEIGHT * n, shapes, n);
        const out = new Uint8Array(WIDTH * HEIGHT);
        for (let i = 0; i < out.length; i++) {
          let sum = 0;
          for (let v = 0; v < n; v++) {
            for (let u = 0; u < n; u++) {
              sum += fine[(Math.floor(i / WIDTH) * n + v) * WIDTH * n + (i % WIDTH) * n + u] ? 1 : 0;
            }
          }
          out[i] = Math.round((255 * sum) / n ** 2);
        }
        return grey(out);
      },
    ]),
    ...[1, 2.5].map((sigma): [string, (shapes: Shape[]) => Promise<Uint8Array>] => [
      `blurred by ${sigma}`,
      (shapes) => greyOf(raw(draw(WIDTH, HEIGHT, shapes).map((value) => (value ? 255 : 0))).blur(sigma)),
    ]),
    ...[30, 60, 75, 90, 97].flatMap((quality): [string, (shapes: Shape[]) => Promise<Uint8Array>][] => {
      const jpeg = (shapes: Shape[]) =>
        raw(draw(WIDTH, HEIGHT, shapes).map((value) => (value ? 255 : 0)))
          .jpeg({ quality })
          .toBuffer();
      return [
        [`JPEG of quality ${quality}`, jpeg],
        [`JPEG of quality ${quality}, saved as PNG`, async (shapes) => greyOf(sharp(await jpeg(shapes)))],
      ];
    }),
    ...[50, 75, 90].map((quality): [string, (shapes: Shape[]) => Promise<Uint8Array>] => [
      `WebP of quality ${quality}`,
      (shapes) =>
        raw(draw(WIDTH, HEIGHT, shapes).map((value) => (value ? 255 : 0)))
          .webp({ quality })
          .toBuffer(),
    ]),
    [
      'resized, 16 bits',
      async (shapes) => {
        const small = draw(WIDTH / 2, HEIGHT / 2, shapes, 0.5).map((value) => (value ? 255 : 0));
        const { data } = await raw(small, WIDTH / 2)
          .resize(WIDTH, HEIGHT, { kernel: 'cubic' })
          .toColourspace('b-w')
          .raw()
          .toBuffer({ resolveWithObject: true });
        return grey(
          Uint16Array.from(data, (value) => value * 257),
          WIDTH,
          16,
        );
      },
    ],
    [
      'red on black, supersampled',
      async (shapes) => {
        const small = draw(WIDTH * 2, HEIGHT * 2, shapes, 2).map((value) => (value ? 255 : 0));
        const { data } = await raw(small, WIDTH * 2)
          .resize(WIDTH, HEIGHT, { kernel: 'linear' })
          .toColourspace('b-w')
          .raw()
          .toBuffer({ resolveWithObject: true });
        const rgb = Uint8Array.from({ length: data.length * 3 }, (_, i) => (i % 3 === 0 ? data[i / 3]! : 0));
        return encode({ width: WIDTH, height: HEIGHT, channels: 3, depth: 8, data: rgb });
      },
    ],
  ];
  test.each(soft)('%s', async (_, make) => {
    await fc.assert(
      fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 3 }), async (shapes) => {
        const { map, meaning, ids } = await read(await make(shapes));
        expect(ids).toEqual([1]);
        expect(meaning).toMatch(/^one object/);
        expect(
          differs(
            map,
            draw(WIDTH, HEIGHT, shapes).map((value) => (value ? 1 : 0)),
          ),
        ).toBe(0);
      }),
      { numRuns: 8 },
    );
  });

  test('a few values near black and white, too few to tell whose they are, are refused', async () => {
    const shapes = [{ x: 58, y: 44, radius: 6, box: true }];
    const jpeg = await raw(draw(WIDTH, HEIGHT, shapes).map((value) => (value ? 255 : 0)))
      .jpeg({ quality: 90 })
      .toBuffer();
    const bytes = await greyOf(sharp(jpeg));
    expect(await errorOf(() => read(bytes))).toMatchObject({
      code: 'ambiguous',
      message: expect.stringMatching(/binary.*labels/),
    });
    expect((await read(bytes, { as: 'labels' })).ids).toEqual([1, 254, 255]);
  });

  test('several objects with smoothed edges are refused, and the option is named', async () => {
    const shapes = [
      { x: 25, y: 30, radius: 14, box: false },
      { x: 65, y: 30, radius: 14, box: false },
    ];
    const values = draw(WIDTH * 2, HEIGHT * 2, shapes, 2).map((value) => [0, 128, 255][value]!);
    const bytes = await greyOf(raw(values, WIDTH * 2).resize(WIDTH, HEIGHT, { kernel: 'cubic' }));
    expect(await errorOf(() => read(bytes))).toMatchObject({
      code: 'ambiguous',
      message: expect.stringMatching(/--mask-as labels .* or --mask-as binary/),
    });
    expect((await read(bytes, { as: 'binary' })).ids).toEqual([1]);
    const jpeg = await raw(draw(WIDTH, HEIGHT, shapes).map((value) => value * 60))
      .jpeg()
      .toBuffer();
    expect(await errorOf(() => read(jpeg))).toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/lossy/),
    });
  });
});

describe('thin objects beside something white', () => {
  /** What lies beside a white shape, a pixel or two wide. */
  interface Sliver {
    kind: 'shadow' | 'pole' | 'belt' | 'stick' | 'rim' | 'half a rim';
    width: number;
    angle: number;
  }
  const sliver = fc.record<Sliver>({
    kind: fc.constantFrom('shadow', 'pole', 'belt', 'stick', 'rim', 'half a rim'),
    width: fc.constantFrom(1, 2),
    angle: fc.double({ min: 0, max: 6, noNaN: true }),
  });
  const sliverOf =
    (white: Shape, { kind, width, angle }: Sliver) =>
    (u: number, v: number): boolean => {
      const { x, y, radius } = white;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [along, across] = [(u - x) * cos + (v - y) * sin, (v - y) * cos - (u - x) * sin];
      const isRim = () => [-width, width].some((d) => inside(white, u + d, v) || inside(white, u, v + d));
      switch (kind) {
        case 'shadow':
          return inside(white, u - width * Math.sign(cos), v - width * Math.sign(sin));
        case 'pole':
          return Math.abs(u - x) <= width / 2 && v < y && v > y - radius - 8;
        case 'belt':
          return Math.abs(v - y) <= width / 2 && Math.abs(u - x) < radius + 6;
        case 'stick':
          return Math.abs(across) <= 0.6 * width && along > 0 && along < radius + 9;
        case 'rim':
          return isRim();
        case 'half a rim':
          return isRim() && along > 0;
      }
    };
  /** The white shape is 255 (or 65535, or white), slivers are of other values. */
  const drawn = (white: Shape, slivers: readonly Sliver[], values: readonly number[], top: number) => {
    const out = new Uint16Array(WIDTH * HEIGHT);
    for (let i = 0; i < out.length; i++) {
      const [u, v] = [(i % WIDTH) + 0.5, Math.floor(i / WIDTH) + 0.5];
      for (const [n, one] of slivers.entries()) if (sliverOf(white, one)(u, v)) out[i] = values[n]!;
      if (inside(white, u, v)) out[i] = top;
    }
    return out;
  };
  const files: Record<string, { of: (map: Uint16Array) => Uint8Array | Promise<Uint8Array>; exact: boolean }> = {
    '8 bits': { of: (map) => grey(Uint8Array.from(map)), exact: true },
    '16 bits': {
      of: (map) =>
        grey(
          map.map((v) => v * 257),
          WIDTH,
          16,
        ),
      exact: true,
    },
    'grey palette': {
      of: (map) =>
        encode({
          width: WIDTH,
          height: HEIGHT,
          channels: 1,
          depth: 8,
          data: Uint8Array.from(map),
          palette: Array.from({ length: 256 }, (_, i) => [i, i, i]),
        }),
      exact: true,
    },
    'shades of one colour': {
      of: (map) =>
        encode({
          width: WIDTH,
          height: HEIGHT,
          channels: 3,
          depth: 8,
          data: Uint8Array.from([...map].flatMap((v) => [v < 9 ? 12 * v : v, 0, 0])),
        }),
      exact: true,
    },
    JPEG: { of: (map) => raw(Uint8Array.from(map)).jpeg({ quality: 90 }).toBuffer(), exact: false },
    resized: {
      of: (map) => greyOf(raw(Uint8Array.from(map)).resize(2 * WIDTH, 2 * HEIGHT, { kernel: 'linear' })),
      exact: false,
    },
  };
  const SAID = /--mask-as|hard edges|255 is void|lossy compression/;

  test.each(Object.entries(files))('%s: read, or refused, or said', async (_, { of, exact }) => {
    await fc.assert(
      fc.asyncProperty(
        shape,
        fc.array(sliver, { minLength: 1, maxLength: 3 }),
        fc.constantFrom([127, 127, 127], [85, 170, 85], [64, 128, 192], [1, 2, 3], [200, 30, 90]),
        async (white, slivers, values) => {
          const map = drawn(white, slivers, values, 255);
          fc.pre(new Set(map).size > 2);
          const seen = await read(await of(map)).catch((error: Error) => error);
          if (seen instanceof Error) {
            expect(seen).toMatchObject({ name: 'MaskError', message: expect.stringMatching(SAID) });
          } else if (!SAID.test(seen.meaning)) {
            expect(exact).toBe(true);
            const pairs = new Set([...map].map((value, i) => `${value} ${seen.map.data[i]}`));
            expect(pairs.size).toBe(new Set(map).size);
            expect(seen.ids.length).toBe(pairs.size - 1);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('hard edges of the white object show that the others are objects', async () => {
    const white = { x: 50, y: 34, radius: 17, box: false };
    for (const kind of ['pole', 'belt', 'stick', 'half a rim'] as const) {
      const map = drawn(white, [{ kind, width: 1, angle: 0.4 }], [127], 255);
      const { ids, meaning } = await read(grey(Uint8Array.from(map)));
      expect({ kind, ids, meaning }).toEqual({ kind, ids: [127, 255], meaning: '2 objects' });
    }
  });

  test('a thin slanted line with soft edges is refused: it has no inside that tells them from objects', async () => {
    const line = new Uint8Array(WIDTH * HEIGHT);
    for (let y = 4; y < HEIGHT - 4; y++) line.set([64, 255, 255, 191], y * WIDTH + y + 9);
    expect(await errorOf(() => read(grey(line)))).toMatchObject({
      code: 'ambiguous',
      message: expect.stringMatching(/--mask-as binary.*--mask-as labels/),
    });
  });

  test('a rectangle with one soft side is refused, one with two is an object with soft edges', async () => {
    const rows = (...levels: number[]) =>
      grey(
        Uint8Array.from({ length: WIDTH * levels.length }, (_, i) => {
          const x = i % WIDTH;
          return x > 20 && x < 60 ? levels[Math.floor(i / WIDTH)]! : 0;
        }),
      );
    expect(await errorOf(() => read(rows(0, 0, 0, 127, 255, 255, 255, 255, 0, 0, 0)))).toMatchObject({
      code: 'ambiguous',
      message: expect.stringMatching(/--mask-as binary.*--mask-as labels/),
    });
    expect(await read(rows(0, 0, 0, 127, 255, 255, 255, 255, 127, 0, 0))).toMatchObject({
      ids: [1],
      meaning: 'one object, soft edges, threshold 128; --mask-as labels makes each value an object',
    });
  });

  test('two objects of a JPEG are refused, be they dark or small', async () => {
    const shapes = [
      { x: 25, y: 30, radius: 18, box: false },
      { x: 70, y: 30, radius: 16, box: false },
    ];
    for (const value of [2, 30, 127, 200]) {
      const jpeg = raw(draw(WIDTH, HEIGHT, shapes).map((id) => [0, value, 255][id]!)).jpeg({ quality: 75 });
      expect(await errorOf(async () => read(await jpeg.toBuffer())), `${value}`).toMatchObject({ name: 'MaskError' });
    }
  });

  test('small ids that were smoothed are refused', async () => {
    const small = draw(WIDTH / 2, HEIGHT / 2, [{ x: 40, y: 30, radius: 15, box: false }], 0.5).map((id) => 3 * id);
    const bytes = await greyOf(raw(small, WIDTH / 2).resize(WIDTH, HEIGHT, { kernel: 'linear' }));
    expect(await errorOf(() => read(bytes))).toMatchObject({ code: 'ambiguous' });
  });
});

describe('label maps in every kind of file', () => {
  /** The map as files of all kinds. `ids` are what each stands for; `black` of a sorted palette is not at 0. */
  const kinds: Record<string, (map: Uint8Array, count: number) => { bytes: Uint8Array; ids: number[] }> = {
    'grey, small ids': (map, count) => ({ bytes: grey(map), ids: upTo(count) }),
    'grey, 255 void': (map, count) => {
      const areaOf = (wanted: (id: number) => boolean) => map.filter(wanted).length;
      const isVoid = count > 1 && areaOf((id) => id === count) <= 4 * areaOf((id) => id > 0 && id < count);
      if (!isVoid) return { bytes: grey(map), ids: upTo(count) };
      return { bytes: grey(map.map((id) => (id === count ? 255 : id))), ids: upTo(count - 1).concat(0) };
    },
    'grey, large values': (map, count) => {
      const values = upTo(count).map((id) => Math.round((255 * id) / count));
      return { bytes: grey(map.map((id) => (id ? values[id - 1]! : 0))), ids: count === 1 ? [1] : values };
    },
    '16 bits': (map, count) => {
      return {
        bytes: grey(
          Uint16Array.from(map, (id) => id * 700),
          WIDTH,
          16,
        ),
        ids: upTo(count).map((id) => id * 700),
      };
    },
    'grey palette, large values': (map, count) => {
      const values = upTo(count).map((id) => Math.round((255 * id) / count));
      const entries = Array.from({ length: 256 }, (_, i) => [i, i, i]);
      const data = map.map((id) => (id ? values[id - 1]! : 0));
      return { bytes: indexed(data, entries), ids: count === 1 ? [1] : values };
    },
    'palette, VOC': (map, count) => ({ bytes: indexed(map, paletteOf('voc')), ids: upTo(count) }),
    'palette, two colours': (map, count) => ({
      bytes: indexed(
        map,
        Array.from({ length: count + 1 }, (_, i) => [i * 20, i * 3, 0]),
      ),
      ids: upTo(count),
    }),
    'palette sorted by area': (map, count) => {
      const order = [...upTo(count), 0];
      const entries = order.map((id) => [(id * 37) % 256, id ? 200 - id : 0, 0]);
      const ids = upTo(count).map((id) => 1 + rank(entries.slice(0, -1), entries[id - 1]!));
      return {
        bytes: indexed(
          map.map((id) => order.indexOf(id)),
          entries,
        ),
        ids,
      };
    },
    'colours of the DAVIS palette': (map, count) => ({ bytes: coloured(map, paletteOf('davis'), 3), ids: upTo(count) }),
    'other colours, transparent elsewhere': (map, count) => {
      const entries = [[9, 99, 9, 0], ...upTo(count).map((id) => [255 - id, id * 5, 8, 255])];
      const ids = upTo(count).map((id) => 1 + rank(entries.slice(1), entries[id]!));
      return { bytes: coloured(map, entries, 4), ids: count === 1 ? [1] : ids };
    },
    'palette with transparency': (map, count) => {
      const entries = [[255, 255, 255, 0], ...upTo(count).map((id) => [id * 30, 90, 0, 255])];
      return { bytes: indexed(map, entries), ids: upTo(count) };
    },
    'grey and alpha': (map, count) => ({
      bytes: encode({
        width: WIDTH,
        height: HEIGHT,
        channels: 2,
        depth: 8,
        data: Uint8Array.from({ length: 2 * map.length }, (_, i) => {
          const id = map[i >> 1]!;
          return i & 1 ? (id ? 255 : 0) : id || 77;
        }),
      }),
      ids: upTo(count),
    }),
  };
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const indexed = (data: Uint8Array, colours: number[][]) =>
    encode({ width: WIDTH, height: HEIGHT, channels: 1, depth: 8, data, palette: colours });
  const coloured = (map: Uint8Array, entries: number[][], channels: number) =>
    encode({
      width: WIDTH,
      height: HEIGHT,
      channels,
      depth: 8,
      data: Uint8Array.from([...map].flatMap((id) => entries[id]!.slice(0, channels))),
    });
  const paletteOf = (name: 'voc' | 'davis') =>
    Array.from({ length: 256 }, (_, id) => [...palette(name).subarray(3 * id, 3 * id + 3)]);
  const number = ([r, g, b]: number[]) => (r! << 16) | (g! << 8) | b!;
  const rank = (entries: number[][], colour: number[]) =>
    entries.map(number).filter((other) => other < number(colour)).length;

  /** Whether a value has a region of its own: a quarter of its pixels at least have eight neighbours of the same value. */
  const hasInside = (map: Uint8Array, id: number) => {
    const own = Array.from(map.keys()).filter((i) => map[i] === id);
    const around = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => dy * WIDTH + dx));
    return own.filter((i) => around.every((step) => map[i + step] === id)).length >= own.length / 4;
  };

  test.each(Object.entries(kinds))('%s', async (name, make) => {
    await fc.assert(
      fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 6 }), async (shapes) => {
        const drawn = draw(WIDTH, HEIGHT, shapes);
        // Shapes that others cover are no objects.
        const visible = [...new Set(drawn)].filter((id) => id > 0).sort((a, b) => a - b);
        const map = drawn.map((id) => (id ? visible.indexOf(id) + 1 : 0));
        // A thin rim around something white is a soft edge, or noise.
        if (name.startsWith('grey')) fc.pre(visible.every((_, i) => hasInside(map, i + 1)));
        const { bytes, ids } = make(map, visible.length);
        expect([...(await read(bytes)).map.data]).toEqual([...map].map((id) => (id ? ids[id - 1] : 0)));
      }),
      { numRuns: 10 },
    );
  });
});

describe('against a slow and obvious reader', () => {
  /** What each pixel means, one at a time, where the option says how to read. */
  function obvious(pixels: number[][], as: MaskReadingName): number[] {
    const isOpaque = (pixel: number[]) => pixel.at(-1)! >= 128;
    const colour = (pixel: number[]) => pixel.slice(0, 3);
    const code = (pixel: number[]) => pixel[0]! * 65536 + pixel[1]! * 256 + pixel[2]!;
    const visible = pixels.filter(isOpaque);
    const top = Math.max(0, ...visible.flatMap(colour));
    const colours = [...new Set(visible.filter((pixel) => Math.max(...colour(pixel)) > 8).map(code))].sort(
      (a, b) => a - b,
    );
    return pixels.map((pixel) => {
      if (!isOpaque(pixel)) return 0;
      if (as === 'alpha') return 1;
      if (as === 'binary') return top > 0 && Math.max(...colour(pixel)) >= top / 2 ? 1 : 0;
      if (as === 'labels') return pixel[0]!;
      return 1 + colours.indexOf(code(pixel));
    });
  }

  test('any pixels, in any reading', async () => {
    const level = fc.constantFrom(0, 1, 2, 9, 127, 128, 200, 254, 255);
    const rgba = fc.tuple(level, level, level, fc.constantFrom(0, 100, 128, 255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(rgba, { minLength: 4, maxLength: 60 }),
        fc.constantFrom<MaskReadingName>('labels', 'binary', 'colours', 'alpha'),
        async (list, as) => {
          const pixels = as === 'labels' ? list.map(([v, , , a]) => [v, v, v, a]) : list;
          const bytes = encode({
            width: pixels.length,
            height: 1,
            channels: 4,
            depth: 8,
            data: Uint8Array.from(pixels.flat()),
          });
          const wanted = obvious(pixels, as);
          const seen = await readMask(bytes, { as, allowEmpty: true });
          expect([...seen.data]).toEqual(wanted);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('what is said', () => {
  const block = (width: number, height: number, value: (x: number, y: number) => number) =>
    Uint8Array.from({ length: width * height }, (_, i) => value(i % width, Math.floor(i / width)));
  const columns = (...values: number[]) =>
    grey(
      block(8 * values.length, 8, (x) => values[Math.floor(x / 8)]!),
      8 * values.length,
    );

  test.each<[number[], string, number[]]>([
    [[0, 1, 2, 3, 255], '3 objects; 255 is void', [1, 2, 3]],
    [[0, 128, 255], '2 objects', [128, 255]],
    [[0, 85, 170, 255], '3 objects', [85, 170, 255]],
    [[0, 255], 'one object', [1]],
    [[0, 7], 'one object', [7]],
  ])('%j: %s', async (values, meaning, ids) => {
    expect(await read(columns(...values))).toMatchObject({ meaning, ids });
  });

  test('annotations of a data set keep its rules', async () => {
    expect(await read(columns(0, 128, 255), { dataSet: true })).toMatchObject({
      meaning: 'one object; 255 is void',
      ids: [128],
    });
    expect(await read(columns(0, 255), { dataSet: true })).toMatchObject({ ids: [1] });
  });

  test('255 beside small and large ids, and pictures without background, are refused', async () => {
    expect(await errorOf(() => read(columns(0, 1, 100, 255)))).toMatchObject({
      code: 'ambiguous',
      message: expect.stringMatching(/--mask-as labels makes it an object/),
    });
    expect((await read(columns(0, 1, 100, 255), { as: 'labels' })).ids).toEqual([1, 100, 255]);
    const rgb = encode({
      width: 16,
      height: 8,
      channels: 3,
      depth: 8,
      data: Uint8Array.from(
        { length: 16 * 8 * 3 },
        (_, i) => (Math.floor(i / 3) % 16 < 8 ? [255, 255, 255] : [255, 0, 0])[i % 3]!,
      ),
    });
    expect(await errorOf(() => read(rgb))).toMatchObject({
      code: 'ambiguous',
      message: expect.stringMatching(/--mask-as colours/),
    });
    expect((await read(rgb, { as: 'colours' })).ids).toEqual([1, 2]);
    expect(await errorOf(() => read(rgb, { as: 'labels' }))).toMatchObject({ code: 'unsupported' });
    expect(await errorOf(() => read(rgb, { as: 'alpha' }))).toMatchObject({ code: 'unsupported' });
  });
});
