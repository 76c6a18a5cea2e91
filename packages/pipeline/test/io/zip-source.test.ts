import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { openSource } from '../../src/io/index.js';
import { collect, errorOf, temporaryFolder } from './temporary.js';

const folder = temporaryFolder();
const [width, height] = [6, 4];
const picture = (level: number) =>
  encode({ width, height, channels: 3, depth: 8, data: new Uint8Array(width * height * 3).fill(level) });

function archive(name: string, files: Record<string, Uint8Array>): string {
  const path = join(folder, name);
  writeFileSync(path, zipSync(files));
  return path;
}

const CLIP = {
  'clip/img10.png': picture(30),
  'clip/img2.png': picture(20),
  'clip/img1.png': picture(10),
  'clip/.hidden.png': picture(1),
  'clip/notes.txt': new Uint8Array([65]),
  '__MACOSX/clip/img1.png': new Uint8Array([0]),
};

describe('a zip of images', () => {
  test('is a sequence in natural order, with the frame rate that is asked for', async () => {
    const path = archive('clip.zip', CLIP);
    const source = await openSource(path, { fps: 8 });
    expect(source).toMatchObject({ kind: 'images', name: 'clip', width, height, frameCount: 3, fps: 8 });
    const frames = await collect(source);
    expect(frames.map(({ name, time, rgba }) => [name, time, rgba[0]])).toEqual([
      ['img1', 0, 10],
      ['img2', 0.125, 20],
      ['img10', 0.25, 30],
    ]);
    await source.close();
  });

  test('comes as a File, too, and without a folder', async () => {
    const file = new File([zipSync({ 'b.png': picture(2), 'a.png': picture(1) }) as BlobPart], 'x.ZIP');
    const source = await openSource(file);
    expect((await collect(source)).map(({ name }) => name)).toEqual(['a', 'b']);
    await source.close();
  });

  test('errors name the archive, and the image in it', async () => {
    const broken = join(folder, 'broken.zip');
    writeFileSync(broken, 'no archive');
    // As `zip -e` marks it: the first flag of the header.
    const encrypted = archive('locked.zip', { '1.png': picture(1) });
    const bytes = readFileSync(encrypted);
    bytes[6]! |= 1;
    writeFileSync(encrypted, bytes);
    for (const [path, code, message] of [
      [join(folder, 'nosuch.zip'), 'not-found', /nosuch\.zip: no such file/],
      [broken, 'unreadable', /broken\.zip: not a readable zip archive/],
      [archive('empty.zip', {}), 'no-frames', /empty\.zip: no jpg, png, webp or bmp images$/],
      [
        archive('video.zip', { 'v/a.mp4': new Uint8Array(1) }),
        'no-frames',
        /video\.zip: no jpg.*it holds v\/a\.mp4, to be/,
      ],
      [
        archive('two.zip', { 'a/1.png': picture(1), 'b/2.png': picture(2) }),
        'unsupported',
        /images in several folders: a\/, b\//,
      ],
      [encrypted, 'unsupported', /locked\.zip: an encrypted archive/],
    ] as const) {
      const error = await errorOf(() => openSource(path));
      expect(error).toMatchObject({ name: 'SourceError', code, message: expect.stringMatching(message) });
    }
    const source = await openSource(archive('bad.zip', { '1.png': picture(1), '2.png': new Uint8Array([1, 2, 3]) }));
    const error = await errorOf(() => collect(source));
    expect(error).toMatchObject({ name: 'FrameError', message: expect.stringMatching(/bad\.zip\/2\.png: frame 1/) });
  });
});
