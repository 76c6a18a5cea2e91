import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Frame, openSource, openVideo } from '../../src/io/index.js';
import { type EditListChange, editVideo, levelOf, makeVideo, type TestVideo } from './media.js';
import { collect, errorOf, temporaryFolder } from './temporary.js';

const folder = temporaryFolder();
const gray = (frame: Frame) => frame.rgba[0]!;

async function framesOf(name: string, options: TestVideo = {}) {
  const path = join(folder, name);
  await makeVideo(path, options);
  const source = await openSource(path);
  const frames = await collect(source);
  await source.close();
  return { source, frames };
}

describe('containers and codecs', () => {
  const cases: [file: string, options: TestVideo][] = [
    ['h264.mp4', { codec: 'avc', audio: 'aac' }],
    ['h265.mp4', { codec: 'hevc' }],
    ['av1.mp4', { codec: 'av1' }],
    ['h264.mov', {}],
    ['ten-bit.mov', { codec: 'prores' }],
    ['vp9.webm', { audio: 'opus' }],
    ['vp8.mkv', { codec: 'vp8' }],
  ];
  test.each(cases)('%s: every frame, in order, in its own colours', async (file, options) => {
    const { source, frames } = await framesOf(file, options);
    expect(source).toMatchObject({ kind: 'video', width: 64, height: 48, frameCount: 10 });
    expect(source.fps).toBeCloseTo(25, 6);
    expect(frames.map((f) => f.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(frames.map((f) => f.name).slice(0, 3)).toEqual(['00000', '00001', '00002']);
    for (const frame of frames) {
      expect(frame.time).toBeCloseTo(frame.index / 25, 6);
      // Left half grey of the frame's level, right half a red: both survive the codec within a few levels.
      expect(Math.abs(gray(frame) - levelOf(frame.index))).toBeLessThanOrEqual(6);
      const [r, g, b] = frame.rgba.subarray(60 * 4);
      expect(Math.max(Math.abs(r! - 200), Math.abs(g! - 60), Math.abs(b! - 40))).toBeLessThanOrEqual(6);
      expect(frame.rgba[3]).toBe(255);
    }
  });
});

describe('times', () => {
  test('variable frame rate: the times are the container’s', async () => {
    const times = [0, 0.04, 0.1, 0.2, 0.5, 0.52];
    const { source, frames } = await framesOf('vfr.mp4', { times });
    for (const [i, frame] of frames.entries()) expect(frame.time).toBeCloseTo(times[i]!, 4);
    expect(frames).toHaveLength(times.length);
    expect(source.fps).toBeCloseTo(5 / 0.52, 3);
  });

  const late = { times: Array.from({ length: 10 }, (_, i) => 1 + i / 25) };
  const edits: [what: string, change: EditListChange, first: number, count: number][] = [
    ['cuts off the first frames', { skipFrames: 3 }, 3, 7],
    ['cuts off the last frames', { milliseconds: 240 }, 0, 6],
    ['cuts off both', { skipFrames: 3, milliseconds: 160 }, 3, 4],
  ];
  test.each(edits)('an edit list that %s: they have no number, as in FFmpeg', async (what, change, first, count) => {
    const path = join(folder, `${what}.mp4`);
    await makeVideo(path, late);
    editVideo(path, change);
    const source = await openVideo(path);
    const frames = await collect(source);
    expect(source.frameCount).toBe(count);
    expect(frames.map((f) => f.index)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(frames[0]!.time).toBeCloseTo(0, 3);
    for (const frame of frames) expect(Math.abs(gray(frame) - levelOf(first + frame.index))).toBeLessThanOrEqual(6);
    await source.close();
  });

  test('an edit list that changes the speed is refused', async () => {
    const path = join(folder, 'speed.mp4');
    await makeVideo(path, late);
    editVideo(path, { speed: 2 });
    const error = await errorOf(() => openVideo(path));
    expect(error).toMatchObject({
      name: 'SourceError',
      code: 'unsupported',
      message: expect.stringContaining('speed'),
    });
  });

  test('an empty edit delays the start: the times say so', async () => {
    const path = join(folder, 'late.mp4');
    await makeVideo(path, late);
    const source = await openVideo(path);
    expect(source.timestamps[0]).toBeCloseTo(1, 3);
    expect(await collect(source)).toHaveLength(10);
    await source.close();
  });

  test('a range begins and ends where it says', async () => {
    const path = join(folder, 'range.mp4');
    await makeVideo(path);
    const source = await openVideo(path);
    const frames = await collect(source.frames({ from: 4, to: 7 }));
    expect(frames.map((f) => f.index)).toEqual([4, 5, 6]);
    expect(frames.map((f) => Math.round((gray(f) - 20) / 20))).toEqual([4, 5, 6]);
    expect(await collect(source.frames({ from: 10 }))).toEqual([]);
    await source.close();
  });

  test('two readers of one source do not disturb each other', async () => {
    const path = join(folder, 'two.mp4');
    await makeVideo(path);
    const source = await openVideo(path);
    const [all, some] = await Promise.all([collect(source), collect(source.frames({ from: 8 }))]);
    expect(all).toHaveLength(10);
    expect(some.map((f) => f.index)).toEqual([8, 9]);
    await source.close();
  });
});

describe('what a viewer sees', () => {
  // One bright corner tells the four rotations apart.
  const pixel = (_: number, x: number, y: number): [number, number, number] =>
    x < 16 && y < 16 ? [250, 250, 250] : [30, 30, 30];
  const corners: [rotation: 0 | 90 | 180 | 270, bright: string][] = [
    [0, 'top left'],
    [90, 'top right'],
    [180, 'bottom right'],
    [270, 'bottom left'],
  ];
  test.each(corners)('rotation %i: the bright corner is at the %s', async (rotation, bright) => {
    const { source, frames } = await framesOf(`rotated-${rotation}.mp4`, { rotation, pixel, times: [0, 0.04] });
    const { width, height, rgba } = frames[0]!;
    expect([width, height]).toEqual(rotation % 180 ? [48, 64] : [64, 48]);
    expect([source.width, source.height]).toEqual([width, height]);
    const at = (x: number, y: number) => rgba[(y * width + x) * 4]! > 128;
    const seen = Object.entries({
      'top left': at(2, 2),
      'top right': at(width - 3, 2),
      'bottom left': at(2, height - 3),
      'bottom right': at(width - 3, height - 3),
    });
    expect(seen.filter(([, lit]) => lit).map(([name]) => name)).toEqual([bright]);
  });
});

test('pixels that are not square: the picture comes at the width it is shown', async () => {
  const { source, frames } = await framesOf('wide-pixels.mp4', { displayWidth: 96, times: [0, 0.04] });
  expect(source).toMatchObject({ width: 96, height: 48 });
  const row = frames[1]!.rgba.subarray(0, 96 * 4);
  expect(Math.abs(row[40 * 4]! - levelOf(1))).toBeLessThanOrEqual(6);
  expect(Math.abs(row[56 * 4]! - 200)).toBeLessThanOrEqual(6);
});

describe('bad input', () => {
  test('no such file', async () => {
    expect(await errorOf(() => openSource(join(folder, 'none.mp4')))).toMatchObject({
      name: 'SourceError',
      code: 'not-found',
      message: expect.stringContaining('none.mp4'),
    });
  });

  test('not a video', async () => {
    const path = join(folder, 'text.mp4');
    writeFileSync(path, 'this is no video, whatever its name says'.repeat(100));
    expect(await errorOf(() => openSource(path))).toMatchObject({
      name: 'SourceError',
      code: 'unreadable',
      source: path,
    });
  });

  test('an empty file', async () => {
    const path = join(folder, 'empty.mp4');
    writeFileSync(path, '');
    expect(await errorOf(() => openSource(path))).toMatchObject({ name: 'SourceError', code: 'unreadable' });
  });

  const noise = (i: number, x: number, y: number): [number, number, number] => {
    const v = ((x * 7919 + y * 104729 + i * 1299709) * 2654435761) >>> 24;
    return [v, v, v];
  };
  const broken: [kind: string, damage: (bytes: Buffer) => Buffer, message: string][] = [
    ['cut short', (bytes) => bytes.subarray(0, Math.round(bytes.length * 0.6)), 'breaks off'],
    [
      'with garbage in the middle',
      (bytes) => bytes.fill(0x5a, Math.round(bytes.length * 0.55), Math.round(bytes.length * 0.75)),
      'cannot be decoded',
    ],
  ];
  test.each(broken)(
    'a video %s: the frames before arrive, then an error names the first that is missing',
    async (...args) => {
      const [kind, damage, message] = args;
      const path = join(folder, `${kind}.mp4`);
      await makeVideo(path, { pixel: noise, codec: 'vp9', fastStart: true });
      writeFileSync(path, damage(readFileSync(path)));
      const source = await openVideo(path);
      const seen: number[] = [];
      const error = await errorOf(async () => {
        for await (const { index } of source) seen.push(index);
      });
      expect(seen.length).toBeGreaterThan(2);
      expect(seen).toEqual(seen.map((_, i) => i));
      expect(error).toMatchObject({ name: 'FrameError', code: 'corrupt', file: path, index: seen.length });
      expect(error.message).toContain(message);
      await source.close();
    },
  );

  test('pictures that the decoder has made up in part are said, as one note', async () => {
    const path = join(folder, 'made up.mp4');
    await makeVideo(path, { pixel: noise, width: 128, height: 96, fastStart: true });
    const whole = await openVideo(path);
    expect(await collect(whole)).toHaveLength(10);
    expect(whole.notes).toEqual([]);
    await whole.close();
    const bytes = readFileSync(path);
    // The first picture is more than half of the file.
    const middle = Math.round(bytes.length / 2);
    writeFileSync(path, bytes.fill(0, middle, middle + 200));
    const source = await openVideo(path);
    expect(await collect(source)).toHaveLength(10);
    expect(source.notes).toEqual([expect.stringMatching(/^the file is damaged in frame 0: /)]);
    await source.close();
  });

  // Matroska names its length and not its frames: what is left of it reads as a whole video.
  test.each(['mkv', 'webm'] as const)(
    'a %s cut short is read as far as it goes, and says that it is cut',
    async (extension) => {
      const path = join(folder, `cut.${extension}`);
      await makeVideo(path, { pixel: noise, times: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
      const whole = await openVideo(path);
      expect(whole.notes).toEqual([]);
      await whole.close();
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.subarray(0, Math.round(bytes.length * 0.6)));
      const source = await openVideo(path);
      expect(source.frameCount).toBeGreaterThan(2);
      expect(source.frameCount).toBeLessThan(9);
      expect(await collect(source)).toHaveLength(source.frameCount);
      expect(source.notes).toEqual([expect.stringMatching(/^it breaks off after \d\.\d of 10\.0 seconds: /)]);
      await source.close();
    },
  );

  test('abort and close end the iteration', async () => {
    const path = join(folder, 'abort.mp4');
    await makeVideo(path);
    const source = await openVideo(path);
    const abort = new AbortController();
    const seen: number[] = [];
    const error = await errorOf(async () => {
      for await (const { index } of source.frames({ signal: abort.signal })) {
        seen.push(index);
        if (index === 2) abort.abort();
      }
    });
    expect(error.name).toBe('AbortError');
    expect(seen).toEqual([0, 1, 2]);
    const closed = await errorOf(async () => {
      for await (const { index } of source) if (index === 1) await source.close();
    });
    expect(closed).toMatchObject({ name: 'SourceError', code: 'closed' });
    await source.close();
  });
});
