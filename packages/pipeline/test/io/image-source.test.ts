import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { openDavisSequence, openSource } from '../../src/io/index.js';
import { collect, errorOf, temporaryFolder } from './temporary.js';

const root = temporaryFolder();
let made = 0;

/** A folder with one flat image for each name; the level is 10 times the position. */
async function folderOf(names: string[], size: (i: number) => [number, number] = () => [24, 16]): Promise<string> {
  const folder = join(root, `folder-${made++}`);
  mkdirSync(folder);
  for (const [i, name] of names.entries()) await writeImage(join(folder, name), i * 10, ...size(i));
  return folder;
}

async function writeImage(path: string, level: number, width = 24, height = 16): Promise<void> {
  const image = sharp({ create: { width, height, channels: 3, background: { r: level, g: level, b: level } } });
  if (path.endsWith('.bmp')) writeFileSync(path, bmp24(level, width, height));
  else await image.toFile(path);
}

/** A 24-bit bitmap, rows from the bottom, the top left pixel red. */
function bmp24(level: number, width: number, height: number): Buffer {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + stride * height, level);
  file.fill(0, 0, 54);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  file.set([0, 0, 255], 54 + stride * (height - 1));
  return file;
}

describe('image folders', () => {
  test('jpg, png, webp and bmp, in natural order; other files and hidden ones are left out', async () => {
    const folder = await folderOf(['f1.png', 'f2.jpg', 'f3.JPEG', 'f4.webp', 'f10.bmp']);
    writeFileSync(join(folder, 'notes.txt'), 'x');
    writeFileSync(join(folder, '._f1.png'), 'x');
    const source = await openSource(folder, { fps: 10 });
    const frames = await collect(source);
    expect(source).toMatchObject({ kind: 'images', width: 24, height: 16, frameCount: 5, fps: 10 });
    expect(frames.map((f) => f.name)).toEqual(['f1', 'f2', 'f3', 'f4', 'f10']);
    expect(frames.map((f) => f.time)).toEqual([0, 0.1, 0.2, 0.3, 0.4]);
    for (const [i, { rgba }] of frames.entries()) {
      expect(rgba).toHaveLength(24 * 16 * 4);
      expect(Math.abs(rgba[23 * 4]! - i * 10)).toBeLessThanOrEqual(1);
      expect(rgba[3]).toBe(255);
    }
    expect([...frames[4]!.rgba.subarray(0, 4)]).toEqual([255, 0, 0, 255]);
    expect((await collect(source.frames({ from: 1, to: 3 }))).map((f) => f.name)).toEqual(['f2', 'f3']);
  });

  test('grey images, alpha, 16-bit depth and EXIF orientation come out as upright 8-bit RGBA', async () => {
    const grey = join(await folderOf([]), 'grey.png');
    await sharp(Buffer.from([0, 50, 100, 200]), { raw: { width: 2, height: 2, channels: 1 } })
      .png()
      .toFile(grey);
    const [frame] = await collect(await openSource(grey));
    expect([...frame!.rgba]).toEqual([0, 0, 0, 255, 50, 50, 50, 255, 100, 100, 100, 255, 200, 200, 200, 255]);

    const alpha = join(await folderOf([]), 'alpha.png');
    await sharp(Buffer.from([9, 8, 7, 128]), { raw: { width: 1, height: 1, channels: 4 } })
      .png()
      .toFile(alpha);
    expect([...(await collect(await openSource(alpha)))[0]!.rgba]).toEqual([9, 8, 7, 128]);

    const deep = join(await folderOf([]), 'deep.png');
    const levels = new Uint16Array([0, 257 * 100, 65535]);
    await sharp(levels, { raw: { width: 1, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(deep);
    expect([...(await collect(await openSource(deep)))[0]!.rgba]).toEqual([0, 100, 255, 255]);

    const turned = join(await folderOf([]), 'turned.jpg');
    await sharp({ create: { width: 24, height: 16, channels: 3, background: 'red' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(turned);
    expect(await openSource(turned)).toMatchObject({ width: 16, height: 24 });
  });

  test('a damaged image in the middle: the frames before it arrive, the error names its file', async () => {
    const folder = await folderOf(['00000.jpg', '00001.jpg', '00002.jpg', '00003.jpg']);
    writeFileSync(join(folder, '00002.jpg'), 'no picture');
    const seen: string[] = [];
    const error = await errorOf(async () => {
      for await (const { name } of await openSource(folder)) seen.push(name);
    });
    expect(seen).toEqual(['00000', '00001']);
    expect(error).toMatchObject({ name: 'FrameError', code: 'corrupt', index: 2, file: join(folder, '00002.jpg') });
  });

  test('a JPEG that was cut short is damaged, not half grey', async () => {
    const folder = await folderOf([]);
    const whole = await sharp(Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) & 255)), {
      raw: { width: 64, height: 64, channels: 3 },
    })
      .jpeg()
      .toBuffer();
    writeFileSync(join(folder, '1.jpg'), whole);
    writeFileSync(join(folder, '2.jpg'), whole.subarray(0, whole.length / 2));
    const error = await errorOf(async () => collect(await openSource(folder)));
    expect(error).toMatchObject({ name: 'FrameError', code: 'corrupt', index: 1 });
  });

  test('an image of another size', async () => {
    const folder = await folderOf(['1.png', '2.png'], (i) => [24 + 2 * i, 16]);
    const error = await errorOf(async () => collect(await openSource(folder)));
    expect(error).toMatchObject({ name: 'FrameError', code: 'size-mismatch', index: 1 });
    expect(error.message).toContain('26x16');
  });

  test('no images, no folder, two images of one name, a frame rate that is none', async () => {
    expect(await errorOf(async () => openSource(await folderOf([])))).toMatchObject({
      name: 'SourceError',
      code: 'no-frames',
    });
    expect(await errorOf(() => openSource(join(root, 'nowhere')))).toMatchObject({ code: 'not-found' });
    expect(await errorOf(async () => openSource(await folderOf(['1.png', '1.jpg'])))).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('1.jpg'),
    });
    expect(await errorOf(async () => openSource(await folderOf(['1.png']), { fps: 0 }))).toMatchObject({
      code: 'bad-option',
      source: 'openSource',
      message: expect.stringMatching(/`fps`.*up to 1000/),
    });
  });

  test('files from a page, by their names', async () => {
    const png = await sharp({ create: { width: 3, height: 2, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const files = ['b10.png', 'b9.png', 'readme.md'].map((name) => new File([png], name));
    const frames = await collect(await openSource(files));
    expect(frames.map((f) => f.name)).toEqual(['b9', 'b10']);
    expect(await openSource(files[0]!)).toMatchObject({ frameCount: 1, width: 3, height: 2 });
  });
});

describe('DAVIS folders', () => {
  const davis = join(root, 'DAVIS');
  for (const part of ['JPEGImages/480p/cat', 'Annotations/480p/cat', 'JPEGImages/480p/dog']) {
    mkdirSync(join(davis, part), { recursive: true });
  }

  test('a sequence by root and name, or by its image folder, knows its annotations', async () => {
    for (const name of ['00000.jpg', '00001.jpg']) await writeImage(join(davis, 'JPEGImages/480p/cat', name), 0);
    const opened = [
      await openDavisSequence(davis, 'cat'),
      await openSource(davis, { sequence: 'cat' }),
      await openSource(join(davis, 'JPEGImages/480p/cat')),
    ];
    for (const source of opened) {
      expect(source).toMatchObject({ name: 'cat', frameCount: 2, annotations: join(davis, 'Annotations/480p/cat') });
    }
  });

  test('a sequence without annotations, and a root without a sequence', async () => {
    await writeImage(join(davis, 'JPEGImages/480p/dog/00000.jpg'), 0);
    expect((await openDavisSequence(davis, 'dog')).annotations).toBeUndefined();
    expect(await errorOf(() => openSource(davis))).toMatchObject({
      code: 'bad-option',
      message: expect.stringContaining('cat, dog'),
    });
    expect(await errorOf(() => openDavisSequence(davis, 'bird'))).toMatchObject({ code: 'not-found' });
  });
});
