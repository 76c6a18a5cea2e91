import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { openSource, readMask } from '../../src/io/index.js';
import { makeVideo } from './media.js';
import { collect, errorOf, temporaryFolder } from './temporary.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const SIZE = { width: 32, height: 24 };
const picture = (i: number) =>
  sharp({ create: { ...SIZE, channels: 3, background: { r: 30 * i, g: 200 - 20 * i, b: 90 } } });

describe('animated images', () => {
  let frames: Buffer[];
  beforeAll(async () => {
    frames = await Promise.all([0, 1, 2, 3].map((i) => picture(i).png().toBuffer()));
  });

  test.each(['webp', 'gif'] as const)('%s: every picture is a frame', async (kind) => {
    const file = at(`animation.${kind}`);
    await sharp(frames, { join: { animated: true } })
      [kind]({ delay: [50, 50, 50, 50], ...(kind === 'webp' && { lossless: true }) })
      .toFile(file);
    const source = await openSource(file);
    expect(source).toMatchObject({ ...SIZE, frameCount: 4, kind: 'images' });
    expect(source.fps).toBeCloseTo(20, 3);
    const all = await collect(source);
    expect(all.map(({ name }) => name)).toEqual(['00000', '00001', '00002', '00003']);
    for (const [i, { rgba }] of all.entries()) expect(Math.abs(rgba[0]! - 30 * i)).toBeLessThanOrEqual(2);
    expect(await errorOf(() => readMask(file))).toMatchObject({
      message: expect.stringMatching(/animated: it holds 4/),
    });
  });

  test('in a folder of images they are refused, not cut to their first picture', async () => {
    mkdirSync(at('mixed'));
    await picture(1).webp().toFile(at('mixed/0.webp'));
    copyFileSync(at('animation.webp'), at('mixed/1.webp'));
    const error = await errorOf(async () => collect(await openSource(at('mixed'))));
    expect(error).toMatchObject({
      code: 'corrupt',
      index: 1,
      message: expect.stringMatching(/animated: it holds 4 pictures/),
    });
  });

  test('an animated PNG is refused', async () => {
    const png = await picture(0).png().toBuffer();
    const chunk = Buffer.concat([Buffer.from([0, 0, 0, 8]), Buffer.from('acTL'), Buffer.alloc(12)]);
    writeFileSync(at('animated.png'), Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]));
    expect(await errorOf(() => openSource(at('animated.png')))).toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/animated PNG/),
    });
  });
});

describe('JPEGs with warnings', () => {
  /** Pixels of a folder of one JPEG, changed. */
  async function read(name: string, change: (bytes: Buffer) => Buffer): Promise<Uint8Array> {
    mkdirSync(at(name));
    const bytes = await picture(3).jpeg({ quality: 95 }).toBuffer();
    writeFileSync(at(`${name}/0.jpg`), change(bytes));
    const [frame] = await collect(await openSource(at(name)));
    return frame!.rgba;
  }
  const startOfScan = (bytes: Buffer) => bytes.indexOf(Buffer.from([0xff, 0xda]));

  test.each<[string, (bytes: Buffer) => Buffer]>([
    [
      'bytes before a marker',
      (bytes) =>
        Buffer.concat([bytes.subarray(0, startOfScan(bytes)), Buffer.alloc(5), bytes.subarray(startOfScan(bytes))]),
    ],
    [
      'scan parameters of another mode',
      (bytes) => {
        const at = startOfScan(bytes);
        const copy = Buffer.from(bytes);
        copy[at + 2 + copy.readUInt16BE(at + 2) - 1] = 0x11;
        return copy;
      },
    ],
    ['no end marker', (bytes) => bytes.subarray(0, -2)],
    ['bytes behind the end', (bytes) => Buffer.concat([bytes, Buffer.from('trailer')])],
  ])('%s: the picture is read', async (name, change) => {
    const whole = await read(`whole, ${name}`, (bytes) => bytes);
    expect(await read(name, change)).toEqual(whole);
  });
});

describe('what is no video', () => {
  test.each<[string, Buffer, RegExp]>([
    ['nothing', Buffer.alloc(0), /the file is empty/],
    ['zeros', Buffer.alloc(4096), /holds zeros/],
    [
      'an AVI',
      Buffer.from('RIFF\x00\x01\x00\x00AVI LIST'.padEnd(200, ' '), 'latin1'),
      /an AVI file, which is not read here; convert it once: ffmpeg/,
    ],
    ['a web page', Buffer.from('<!DOCTYPE html><html>'.padEnd(200, ' ')), /no video, but a web page/],
  ])('%s', async (name, bytes, message) => {
    const file = at(`${name.replace(/\W/g, '-')}.mp4`);
    writeFileSync(file, bytes);
    expect(await errorOf(() => openSource(file))).toMatchObject({
      code: 'unreadable',
      message: expect.stringMatching(message),
    });
  });

  test('a recording without its index, or with a part of it', async () => {
    await makeVideo(at('late.mp4'), SIZE);
    const late = readFileSync(at('late.mp4'));
    const index = late.indexOf('moov') - 4;
    for (const [name, end, message] of [
      ['missing', index, /index \(the "moov" box\) is missing/],
      ['cut', index + 100, /index \(the "moov" box\) is cut off/],
    ] as const) {
      writeFileSync(at(`${name}.mp4`), late.subarray(0, end));
      expect(await errorOf(() => openSource(at(`${name}.mp4`)))).toMatchObject({
        code: 'unreadable',
        message: expect.stringMatching(message),
      });
    }
  });
});

test('an empty sample is passed over, as players do, and said', async () => {
  await makeVideo(at('samples.mp4'), { ...SIZE, times: [0, 1, 2, 3, 4].map((i) => i / 25) });
  const bytes = readFileSync(at('samples.mp4'));
  // Sizes of samples stand behind version, common size and count; the last one is of the last sample in the file.
  const sizes = bytes.indexOf('stsz') + 4;
  const count = bytes.readUInt32BE(sizes + 8);
  bytes.writeUInt32BE(0, sizes + 12 + 4 * (count - 1));
  writeFileSync(at('samples.mp4'), bytes);
  const source = await openSource(at('samples.mp4'));
  expect(source.notes).toEqual(['1 empty sample skipped']);
  expect(await collect(source)).toHaveLength(4);
  await source.close();
});

test('a folder without images says what is there instead', async () => {
  mkdirSync(at('scans/run 1'), { recursive: true });
  for (const name of ['a.tif', 'b.TIF', 'notes.txt', '.hidden', 'run 1/0.png']) writeFileSync(at(`scans/${name}`), '');
  expect(await errorOf(() => openSource(at('scans')))).toMatchObject({
    code: 'no-frames',
    message: expect.stringMatching(
      /scans: no jpg.* images; there are files of other kinds \(2 \.tif, 1 \.txt\); folders in it are not looked into \(run 1\)$/,
    ),
  });
});

test('a folder of several kinds of images says that all of them are frames', async () => {
  mkdirSync(at('kinds'));
  await picture(0).jpeg().toFile(at('kinds/a.jpg'));
  await picture(1).png().toFile(at('kinds/b.png'));
  expect((await openSource(at('kinds'))).notes).toEqual(['all images of the folder are frames: 1 .jpg, 1 .png']);
  const source = await openSource(at('kinds'), { exclude: [at('kinds/../kinds/b.png')] });
  expect(source).toMatchObject({ frameCount: 1, notes: [expect.stringMatching(/b\.png is the mask, and no frame/)] });
});
