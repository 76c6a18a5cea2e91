import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ImageError, networkInput, type PixelImage, resizeAntialiased, toRgb } from '../../src/image/index.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const picture = (height: number, width: number, channels: number, phase = 0): PixelImage => ({
  height,
  width,
  data: Uint8Array.from({ length: height * width * channels }, (_, i) => 128 + 127 * Math.sin(i * i * 0.37 + phase)),
});
const table = [3, 5, 7].map((step) => Float32Array.from({ length: 256 }, (_, byte) => Math.fround(byte / step) - step));

/** Bytes of a picture as the network is to see them. */
function expected(image: PixelImage, height: number, width: number, channels: number, frame = { height, width }) {
  const { data } = resizeAntialiased(toRgb(image), width, height);
  const out = new Float32Array(frame.height * frame.width * channels);
  for (let i = 0; i < height * width; i++) {
    const at = Math.floor(i / width) * frame.width + (i % width);
    for (let c = 0; c < 3; c++) out[at * channels + c] = table[c]![data[3 * i + c]!]!;
  }
  return out;
}

it.each([
  ['smaller', [97, 131, 3], [31, 40], 4, undefined],
  ['larger', [23, 17, 3], [60, 51], 3, undefined],
  ['wider and flatter', [50, 20, 3], [21, 64], 3, { height: 64, width: 64 }],
  ['as it is', [19, 23, 3], [19, 23], 4, undefined],
  ['grey', [33, 27, 1], [20, 30], 4, undefined],
  ['RGBA', [33, 27, 4], [20, 30], 3, { height: 31, width: 30 }],
  ['one pixel', [1, 1, 3], [16, 16], 3, undefined],
  ['much smaller', [700, 500, 3], [7, 5], 4, undefined],
] as const)('is what Pillow resizes, bit by bit: %s', async (_, [h, w, c], [height, width], channels, frame) => {
  const image = picture(h, w, c);
  const before = memory().numTensors;
  const input = networkInput(image, { height, width, table, channels, ...(frame ? { frame } : {}) });
  expect(input.shape).toEqual([frame?.height ?? height, frame?.width ?? width, channels]);
  expect(new Float32Array(await runtime.read(input))).toEqual(expected(image, height, width, channels, frame));
  input.dispose();
  expect(memory().numTensors).toBe(before);
});

it('reads views of larger buffers', async () => {
  const { data } = picture(9, 11, 3);
  const buffer = new Uint8Array(data.length + 3);
  buffer.set(data, 3);
  const input = networkInput(
    { height: 9, width: 11, data: buffer.subarray(3) },
    { height: 5, width: 6, table, channels: 4 },
  );
  expect(new Float32Array(await runtime.read(input))).toEqual(expected({ height: 9, width: 11, data }, 5, 6, 4));
  input.dispose();
});

it('takes no more memory from size to size', async () => {
  const bytes: number[] = [];
  for (let i = 0; i < 8; i++) {
    networkInput(picture(100 + i, 90, 3), { height: 64, width: 64, table, channels: 4 }).dispose();
    await runtime.finish();
    bytes.push(runtime.memory().allocatedBytes);
  }
  // Each picture has a row more than the one before.
  expect(bytes[7]! - bytes[1]!).toBeLessThanOrEqual(6 * (90 * 3 + 64 * 4) + 8 * 6 * 100);
});

it('refuses what is no picture, and sizes that are none', () => {
  const options = { table, channels: 4 } as const;
  expect(() =>
    networkInput({ height: 3, width: 3, data: new Uint8Array(26) }, { height: 2, width: 2, ...options }),
  ).toThrow(ImageError);
  expect(() => networkInput(picture(3, 3, 3), { height: 0, width: 2, ...options })).toThrow(ImageError);
});
