import { describe, expect, test } from 'vitest';
import { orient } from '../../src/io/orient.js';
import { pqToLight, rgbaToI420, yuvToRgba } from '../../src/io/yuv.js';

const layoutOf = (width: number, height: number) => {
  const [luma, chroma] = [width * height, (width * height) / 4];
  return [
    { offset: 0, stride: width },
    { offset: luma, stride: width / 2 },
    { offset: luma + chroma, stride: width / 2 },
  ];
};
const pixel = (y: number, u: number, v: number) => Uint8Array.of(y, y, y, y, u, v);

describe('YCbCr', () => {
  // The 100 % bars of ITU-R BT.601 and BT.709.
  const bars: [matrix: string | null, yuv: [number, number, number], rgb: [number, number, number]][] = [
    ['smpte170m', [81, 90, 240], [255, 0, 0]],
    ['smpte170m', [145, 54, 34], [0, 255, 0]],
    ['bt709', [63, 102, 240], [255, 0, 0]],
    ['bt709', [173, 42, 26], [0, 255, 0]],
    ['bt709', [32, 240, 118], [0, 0, 255]],
    [null, [41, 240, 110], [0, 0, 255]],
    ['bt709', [235, 128, 128], [255, 255, 255]],
    ['bt709', [16, 128, 128], [0, 0, 0]],
  ];
  test.each(bars)('%s %j is %j', (matrix, yuv, rgb) => {
    const rgba = yuvToRgba(pixel(...yuv), layoutOf(2, 2), 'I420', 2, 2, { matrix });
    for (let c = 0; c < 3; c++) expect(Math.abs(rgba[c]! - rgb[c]!)).toBeLessThanOrEqual(2);
    const back = rgbaToI420(rgba, 2, 2, matrix === 'bt709' ? 'bt709' : 'smpte170m').data;
    for (const [i, value] of [back[0]!, back[4]!, back[5]!].entries()) {
      expect(Math.abs(value - yuv[i]!)).toBeLessThanOrEqual(2);
    }
  });

  test('full range keeps levels; untagged high definition is BT.709', () => {
    const full = yuvToRgba(pixel(200, 128, 128), layoutOf(2, 2), 'I420', 2, 2, { fullRange: true });
    expect([...full.subarray(0, 4)]).toEqual([200, 200, 200, 255]);
    const tall = new Uint8Array(2 * 720 * 1.5).fill(63, 0, 1440).fill(102, 1440, 1800).fill(240, 1800);
    const [r, g, b] = yuvToRgba(tall, layoutOf(2, 720), 'I420', 2, 720);
    expect(Math.max(255 - r!, g!, b!)).toBeLessThanOrEqual(2);
  });

  test('4:2:2, 4:4:4 and interleaved chroma', () => {
    const red = { I422: [81, 81, 90, 240], I444: [81, 81, 90, 90, 240, 240], NV12: [81, 81, 90, 240] };
    const layouts = {
      I422: [0, 2, 3].map((offset) => ({ offset, stride: 1 })),
      I444: [0, 2, 4].map((offset) => ({ offset, stride: 2 })),
      NV12: [0, 2].map((offset) => ({ offset, stride: 2 })),
    };
    for (const format of ['I422', 'I444', 'NV12'] as const) {
      const rgba = yuvToRgba(Uint8Array.from(red[format]), layouts[format], format, 2, 1, { matrix: 'smpte170m' });
      for (const at of [0, 4]) expect(Math.max(255 - rgba[at]!, rgba[at + 1]!, rgba[at + 2]!)).toBeLessThanOrEqual(2);
    }
  });

  test('odd sides are padded with the last row and column', () => {
    const rgba = new Uint8Array(3 * 1 * 4).fill(255);
    rgba.fill(0, 8, 11);
    const { data, codedWidth, codedHeight } = rgbaToI420(rgba, 3, 1, 'smpte170m');
    expect([codedWidth, codedHeight]).toEqual([4, 2]);
    expect([...data.subarray(0, 8)]).toEqual([235, 235, 16, 16, 235, 235, 16, 16]);
  });
});

test('turning clockwise, then mirroring', () => {
  const picture = new Uint8Array(Uint32Array.of(1, 2, 3, 4, 5, 6).buffer);
  const turned = (rotation: number, flip: boolean) => {
    const { rgba, width, height } = orient(picture, 3, 2, rotation, flip);
    return [width, height, ...new Uint32Array(rgba.buffer)];
  };
  expect(turned(0, false)).toEqual([3, 2, 1, 2, 3, 4, 5, 6]);
  expect(turned(90, false)).toEqual([2, 3, 4, 1, 5, 2, 6, 3]);
  expect(turned(180, false)).toEqual([3, 2, 6, 5, 4, 3, 2, 1]);
  expect(turned(270, false)).toEqual([2, 3, 3, 6, 2, 5, 1, 4]);
  expect(turned(0, true)).toEqual([3, 2, 3, 2, 1, 6, 5, 4]);
  expect(turned(90, true)).toEqual([2, 3, 1, 4, 2, 5, 3, 6]);
});

describe('deep colour', () => {
  /** A picture of one colour, planes of 10 or 12 bits, one chroma sample a pixel. */
  function picture(y: number, u: number, v: number) {
    const size = 4;
    const planes = new Uint16Array(3 * size);
    planes
      .fill(y, 0, size)
      .fill(u, size, 2 * size)
      .fill(v, 2 * size);
    return {
      planes: new Uint8Array(planes.buffer),
      layout: [0, 1, 2].map((i) => ({ offset: 2 * size * i, stride: 4 })),
    };
  }
  const MATRICES = {
    bt709: [0.2126, 0.0722],
    smpte170m: [0.299, 0.114],
    'bt2020-ncl': [0.2627, 0.0593],
  } as const;

  test.each(
    (Object.keys(MATRICES) as (keyof typeof MATRICES)[]).flatMap((matrix) =>
      [10, 12].flatMap((depth) => [true, false].map((fullRange) => ({ matrix, depth, fullRange }))),
    ),
  )('$matrix, $depth bits, full range $fullRange: the colour that was encoded', ({ matrix, depth, fullRange }) => {
    const [kr, kb] = MATRICES[matrix];
    for (const [r, g, b] of [
      [220, 60, 40],
      [0, 0, 0],
      [255, 255, 255],
      [12, 200, 99],
    ] as const) {
      const luma = (kr * r + (1 - kr - kb) * g + kb * b) / 255;
      const [cb, cr] = [(b / 255 - luma) / (2 * (1 - kb)), (r / 255 - luma) / (2 * (1 - kr))];
      const top = 2 ** depth;
      const code = fullRange
        ? [luma * (top - 1), cb * (top - 1) + top / 2, cr * (top - 1) + top / 2]
        : [(16 + 219 * luma) * (top / 256), (128 + 224 * cb) * (top / 256), (128 + 224 * cr) * (top / 256)];
      const [y, u, v] = code.map((value) => Math.min(top - 1, Math.round(value))) as [number, number, number];
      const { planes, layout } = picture(y, u, v);
      const rgba = yuvToRgba(planes, layout, `I444P${depth}`, 2, 2, { matrix, fullRange });
      for (const [i, value] of [r, g, b].entries()) expect(Math.abs(rgba[i]! - value)).toBeLessThanOrEqual(1);
    }
  });

  test('PQ: light up to the knee keeps its colour, highlights stay below white and in order', () => {
    const encodePq = (light: number) => {
      const power = (light / 10000) ** 0.1593017578125;
      return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375;
    };
    const shown = (nits: number) => {
      const code = Math.round(64 + 876 * encodePq(nits));
      const { planes, layout } = picture(code, 512, 512);
      const colour = { matrix: 'bt2020-ncl', primaries: 'bt2020', transfer: 'pq', fullRange: false };
      return yuvToRgba(planes, layout, 'I444P10', 2, 2, colour)[1]!;
    };
    const srgb = (linear: number) => 255 * (1.055 * linear ** (1 / 2.4) - 0.055);
    for (const share of [0.05, 0.2, 0.5, 0.7])
      expect(Math.abs(shown(203 * share) - srgb(share))).toBeLessThanOrEqual(2);
    const bright = [150, 203, 400, 1000, 4000].map(shown);
    expect([...bright].sort((a, b) => a - b)).toEqual(bright);
    expect(bright[1]).toBeLessThan(bright[3]!);
    expect(bright[4]).toBeLessThanOrEqual(255);
    expect(Math.abs(pqToLight(encodePq(203)) - 203)).toBeLessThan(0.1);
  });
});
