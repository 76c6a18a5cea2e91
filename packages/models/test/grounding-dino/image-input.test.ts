import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageTensor, networkImageSize } from '../../src/grounding-dino/image-input.js';
import { ImageError, resizeAntialiased } from '../../src/image/index.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

describe('networkImageSize', () => {
  it.each([
    [640, 480, 1066, 800],
    [1920, 1080, 1333, 750],
    [500, 500, 800, 800],
    [3000, 500, 1332, 222],
    [100, 2000, 67, 1340],
    [480, 640, 800, 1066],
    [800, 1200, 800, 1200],
    [1200, 800, 1200, 800],
    // 500.5 and 501.5 rows: halves go to the even neighbour, as in Python.
    [2666, 1001, 1331, 500],
    [2666, 1003, 1334, 502],
    // Exactly 1333 / 800, and the next ratio beyond.
    [1333, 800, 1333, 800],
    [1334, 800, 1332, 799],
    [3000, 1, 3000, 1],
  ])('%dx%d becomes %dx%d', (width, height, outWidth, outHeight) => {
    expect(networkImageSize({ width, height })).toEqual({ width: outWidth, height: outHeight });
  });

  it('takes other edges', () => {
    expect(networkImageSize({ width: 160, height: 128 }, { shortEdge: 128 })).toEqual({ width: 160, height: 128 });
    expect(networkImageSize({ width: 160, height: 80 }, { shortEdge: 80, longEdge: 80 })).toEqual({
      width: 80,
      height: 40,
    });
  });
});

describe('imageTensor', () => {
  const [width, height] = [20, 15];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 256);

  it("normalises with ImageNet's mean and deviation in float32", async () => {
    const tensor = imageTensor({ width, height, data }, { shortEdge: height });
    expect(tensor.shape).toEqual([height, width, 4]);
    const values = new Float32Array(await runtime.read(tensor));
    tensor.dispose();
    // (x / 255 - mean) / deviation of 0, 37 and 74, from NumPy in float32.
    expect([...values.subarray(0, 4)]).toEqual([-2.1179039478302, -1.3879550695419312, -0.5146840214729309, 0]);
    for (let i = 3; i < values.length; i += 4) expect(values[i]).toBe(0);
  });

  it("resizes with Pillow's filter first, and takes RGBA as well", async () => {
    const small = imageTensor({ width, height, data }, { shortEdge: 6 });
    const rgba = new Uint8Array(width * height * 4).map((_, i) =>
      i % 4 === 3 ? 77 : data[Math.floor(i / 4) * 3 + (i % 4)]!,
    );
    const [resized, same] = [
      resizeAntialiased({ width, height, data }, 8, 6),
      imageTensor({ width, height, data: rgba }, { shortEdge: 6 }),
    ];
    const reference = imageTensor(resized, { shortEdge: 6 });
    const read = async (t: typeof small) => new Float32Array(await runtime.read(t));
    expect(small.shape).toEqual([6, 8, 4]);
    expect(await read(small)).toEqual(await read(reference));
    expect(await read(same)).toEqual(await read(reference));
    for (const t of [small, same, reference]) t.dispose();
  });

  it('refuses what is no picture', () => {
    expect(() => imageTensor({ width, height: height + 1, data })).toThrow(ImageError);
  });
});
