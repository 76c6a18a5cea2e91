import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BitDepth, decode, encode } from 'fast-png';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  decodeLabelPng,
  encodeLabelPng,
  type LabelMap,
  labelIds,
  palette,
  readMask,
  resizeLabelMap,
} from '../../src/io/index.js';
import { errorOf, temporaryFolder } from './temporary.js';

const folder = temporaryFolder();
const mapOf = (width: number, values: number[]): LabelMap => ({
  width,
  height: values.length / width,
  data: Uint16Array.from(values),
});

/** Packs values below 2^depth into PNG rows of whole bytes. */
function pack(values: number[], width: number, depth: number): Uint8Array {
  const rows: number[] = [];
  for (let start = 0; start < values.length; start += width) {
    const bits = values
      .slice(start, start + width)
      .map((v) => v.toString(2).padStart(depth, '0'))
      .join('');
    for (let at = 0; at < bits.length; at += 8) rows.push(Number.parseInt(bits.slice(at, at + 8).padEnd(8, '0'), 2));
  }
  return Uint8Array.from(rows);
}

function png(values: number[], width: number, depth: number, colours?: number[][]): Uint8Array {
  const data =
    depth < 8 ? pack(values, width, depth) : depth === 16 ? Uint16Array.from(values) : Uint8Array.from(values);
  const height = values.length / width;
  return encode({ width, height, channels: 1, depth: depth as BitDepth, data, palette: colours });
}

const rgbPng = (width: number, colours: number[][]) =>
  encode({
    width,
    height: colours.length / width,
    channels: colours[0]!.length,
    depth: 8,
    data: Uint8Array.from(colours.flat()),
  });

describe('reading a first mask', () => {
  // 7 pixels a row: rows of 1, 2 and 4 bits do not end at a byte.
  const cases: [kind: string, depth: number, values: number[]][] = [
    ['1-bit', 1, [0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0]],
    ['2-bit', 2, [0, 1, 2, 3, 3, 2, 1, 0, 0, 3, 1, 2, 0, 1]],
    ['4-bit', 4, [0, 1, 2, 15, 9, 7, 4, 0, 3, 5, 8, 15, 2, 1]],
    ['8-bit', 8, [0, 1, 2, 3, 40, 200, 254, 0, 0, 9, 9, 17, 1, 2]],
  ];
  test.each(cases)('%s: the palette index, and the grey value, is the id', async (_, depth, values) => {
    const colours = Array.from({ length: 2 ** depth }, (_, i) => [i, 255 - i, 7]);
    for (const bytes of [png(values, 7, depth, colours), png(values, 7, depth)]) {
      expect(await readMask(bytes)).toEqual(mapOf(7, values));
    }
  });

  test('16-bit grey: ids above 255', async () => {
    const values = [0, 1, 300, 65534, 0, 300];
    expect(await readMask(png(values, 3, 16))).toEqual(mapOf(3, values));
  });

  test('0 and 255 (16 bits: 65535) are one object', async () => {
    expect(await readMask(png([0, 255, 255, 0], 2, 8))).toEqual(mapOf(2, [0, 1, 1, 0]));
    expect(await readMask(png([0, 65535, 65535, 0], 2, 16))).toEqual(mapOf(2, [0, 1, 1, 0]));
  });

  test('255 beside other ids is void, unless ids go that far', async () => {
    expect(labelIds(await readMask(png([0, 1, 2, 255], 2, 8)))).toEqual([1, 2]);
    expect(labelIds(await readMask(png([0, 253, 254, 255], 2, 8)))).toEqual([253, 254, 255]);
  });

  test('a soft-edged black and white mask is cut in the middle', async () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i < 400 ? 0 : i < 600 ? Math.round((i - 400) * 1.27) : 255));
    const mask = await readMask(png(values, 100, 8));
    expect([...mask.data]).toEqual(values.map((v) => (v > 127.5 ? 1 : 0)));
  });

  test('colours: palette colours keep their ids, others are numbered in ascending order, alpha is background', async () => {
    const voc = rgbPng(2, [
      [0, 0, 0],
      [0, 128, 0],
      [128, 0, 0],
      [192, 128, 0],
    ]);
    expect([...(await readMask(voc)).data]).toEqual([0, 2, 1, 11]);
    const own = rgbPng(2, [
      [0, 0, 0],
      [255, 10, 0],
      [3, 200, 9],
      [255, 10, 0],
    ]);
    expect([...(await readMask(own)).data]).toEqual([0, 2, 1, 2]);
    const alpha = rgbPng(2, [
      [9, 9, 90, 0],
      [9, 9, 90, 255],
      [0, 0, 0, 255],
      [9, 9, 90, 100],
    ]);
    expect([...(await readMask(alpha)).data]).toEqual([0, 1, 0, 0]);
  });

  test('a mask saved as a JPEG', async () => {
    const path = join(folder, 'mask.jpg');
    const pixels = Buffer.from(Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 32 ? 0 : 255)));
    await sharp(pixels, { raw: { width: 64, height: 64, channels: 1 } })
      .jpeg()
      .toFile(path);
    const mask = await readMask(path, { width: 64, height: 64 });
    expect([...mask.data]).toEqual([...pixels].map((v) => (v ? 1 : 0)));
  });

  test('another size: refused, or resized where asked for', async () => {
    const bytes = png([1, 2, 3, 4], 2, 8);
    const error = await errorOf(() => readMask(bytes, { width: 4, height: 4, name: 'first.png' }));
    expect(error).toMatchObject({ name: 'MaskError', code: 'size-mismatch', source: 'first.png' });
    const resized = await readMask(bytes, { width: 4, height: 4, resize: 'nearest' });
    expect([...resized.data]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  });

  test('what cannot be a mask is refused by name', async () => {
    const empty = png([0, 0, 0, 0], 2, 8);
    expect(await errorOf(() => readMask(empty))).toMatchObject({ name: 'MaskError', code: 'no-objects' });
    expect(labelIds(await readMask(empty, { allowEmpty: true }))).toEqual([]);
    expect(await errorOf(() => readMask(join(folder, 'none.png')))).toMatchObject({ code: 'not-found' });
    expect(await errorOf(() => readMask(folder))).toMatchObject({
      code: 'unreadable',
      message: `${folder}: a folder, not a picture of masks`,
    });
    const text = join(folder, 'text.png');
    writeFileSync(text, 'no picture at all');
    expect(await errorOf(() => readMask(text))).toMatchObject({ code: 'unreadable', source: text });
    const photo = rgbPng(
      32,
      Array.from({ length: 1024 }, (_, i) => [i & 255, (i * 7) & 255, 3]),
    );
    expect(await errorOf(() => readMask(photo))).toMatchObject({ code: 'unsupported' });
  });

  test('a damaged or cut PNG is an error at every length', async () => {
    const whole = png(
      Array.from({ length: 900 }, (_, i) => (i * 31) % 7),
      30,
      8,
    );
    for (const length of [20, 40, 60, whole.length - 40, whole.length - 14]) {
      expect(await errorOf(() => readMask(whole.slice(0, length)))).toMatchObject({ code: 'unreadable' });
    }
    const flipped = whole.slice();
    flipped[60]! ^= 255;
    expect(await errorOf(() => readMask(flipped))).toMatchObject({ code: 'unreadable' });
  });
});

describe('writing label PNGs', () => {
  const values = Array.from({ length: 256 }, (_, i) => i);

  test('8 bits: indexed, whole palette, same ids back', () => {
    const bytes = encodeLabelPng(mapOf(16, values));
    const raw = decode(bytes);
    expect(raw).toMatchObject({ width: 16, height: 16, depth: 8, channels: 1 });
    expect(raw.palette).toHaveLength(256);
    expect(raw.palette!.slice(0, 4)).toEqual([
      [0, 0, 0],
      [128, 0, 0],
      [0, 128, 0],
      [128, 128, 0],
    ]);
    expect(decodeLabelPng(bytes, 'x')).toEqual(mapOf(16, values));
  });

  test('ids above 255: 16 bits, and refused where 8 were asked for', async () => {
    const map = mapOf(2, [0, 255, 256, 65535]);
    expect(decode(encodeLabelPng(map)).depth).toBe(16);
    expect(decodeLabelPng(encodeLabelPng(map), 'x')).toEqual(map);
    expect(await errorOf(() => encodeLabelPng(map, { bits: 8 }, 'out.png'))).toMatchObject({
      name: 'MaskError',
      code: 'too-many-objects',
      message: expect.stringContaining('65535'),
    });
  });

  test('palettes: VOC, DAVIS and SAM-Track', () => {
    const at = (name: 'voc' | 'davis' | 'samtrack', id: number) => [...palette(name).subarray(3 * id, 3 * id + 3)];
    expect(at('voc', 9)).toEqual([192, 0, 0]);
    expect(at('davis', 9)).toEqual([191, 0, 0]);
    expect(at('davis', 100)).toEqual([100, 100, 100]);
    expect(new Set(Array.from({ length: 256 }, (_, id) => at('voc', id).join())).size).toBe(256);
    // The published palette: NumPy's MT19937 with seed 200.
    expect([1, 2, 3, 12].map((id) => at('samtrack', id))).toEqual([
      [245, 116, 182],
      [152, 212, 77],
      [140, 238, 157],
      [135, 81, 219],
    ]);
  });

  const hasPil = (() => {
    try {
      execFileSync('python3', ['-c', 'import PIL'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();
  test.runIf(hasPil)('PIL reads mode P with the same indices', () => {
    const path = join(folder, 'pil.png');
    writeFileSync(path, encodeLabelPng(mapOf(16, values)));
    const script =
      'import sys;from PIL import Image;i=Image.open(sys.argv[1]);print(i.mode,list(i.getdata())==list(range(256)))';
    expect(execFileSync('python3', ['-c', script, path]).toString().trim()).toBe('P True');
  });
});

test('nearest resize takes the pixel at floor(target * in / out)', () => {
  expect([...resizeLabelMap(mapOf(5, [1, 2, 3, 4, 5]), 3, 1).data]).toEqual([1, 2, 4]);
});
