import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import type { LoadProgress } from '@samtrack/models';
import { embeddedWeights } from '@samtrack/weights/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageSource } from '../../src/io/index.js';
import { SamTrack } from '../../src/session/index.js';
import { track, VideoTracker, type VideoTrackerOptions } from '../../src/tracking/index.js';
import { errorOf } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeFrame, makeMask } from './scene.js';

const SIZE = { width: 65, height: 49 };
const file = embeddedWeights('deaot-t')!.path;
const bytes = new Uint8Array(readFileSync(file));

/** Loads weights, and tracks a frame with them. */
async function labelsWith(options: VideoTrackerOptions): Promise<string> {
  using tracker = await VideoTracker.load(options);
  await tracker.addReference(makeFrame(0, SIZE), makeMask(SIZE));
  return String((await tracker.step(makeFrame(1, SIZE))).data);
}

describe('weights of a tracker', () => {
  let expected: string;
  let sent = 0;
  let requests = 0;
  const server = createServer(({ url, headers }, response) => {
    requests++;
    const range = url === '/ranges' ? /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') : null;
    const [from, to] = range ? [Number(range[1]), Math.min(Number(range[2]) + 1, bytes.length)] : [0, bytes.length];
    if (range) response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` });
    sent += to - from;
    response.end(bytes.subarray(from, to));
  });
  const at = (path: string) => new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  beforeAll(async () => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    expected = await labelsWith({ weights: file });
  });
  afterAll(() => void server.close());

  it('are those that come with samtrack, at the size that they were made for', async () => {
    expect(await labelsWith({})).toBe(expected);
    const wide = { width: 1300, height: 40 };
    using tracker = await VideoTracker.load();
    await tracker.addReference(makeFrame(0, wide), makeMask(wide));
    expect(tracker.networkSize?.width).toBe(641);
  });

  it.each<[string, () => VideoTrackerOptions['weights']]>([
    ['a file: URL', () => pathToFileURL(file)],
    ['a Blob', () => new Blob([bytes])],
    ['an ArrayBuffer', () => bytes.buffer],
  ])('are read from %s, with progress in bytes', async (_, weights) => {
    const seen: LoadProgress[] = [];
    expect(await labelsWith({ weights: weights(), onProgress: (progress) => seen.push(progress) })).toBe(expected);
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.at(-1)).toEqual({ bytes: bytes.length, total: bytes.length });
  });

  it.each(['/ranges', '/whole'])('are fetched once, in few requests, from %s', async (path) => {
    [sent, requests] = [0, 0];
    const seen: LoadProgress[] = [];
    expect(await labelsWith({ weights: at(path), onProgress: (progress) => seen.push(progress) })).toBe(expected);
    expect(sent).toBeLessThanOrEqual(1.1 * bytes.length);
    expect(requests).toBeLessThanOrEqual(3);
    expect(seen.at(-1)).toEqual({ bytes: bytes.length, total: bytes.length });
  });
});

describe('what makes no sense is refused, by name', () => {
  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    [
      'a model',
      () => VideoTracker.load({ model: 'deaot-x' as 'deaot-t' }),
      'unknown-model',
      /deaot-x.*deaot-t, deaot-s/,
    ],
    [
      'a session tracker',
      () => SamTrack.load({ tracker: 'aot' as 'deaot' }),
      'unknown-model',
      /no tracker "aot"; there are deaot, propagation.*swinb-deaot-l/,
    ],
    [
      'two models',
      () => VideoTracker.load({ tracker: 'deaot-t', model: 'deaot-l' }),
      'bad-option',
      /tracker deaot-t and model deaot-l are two models/,
    ],
    ["a session's model", () => SamTrack.load({ model: 'aot' as 'deaot-t' }), 'unknown-model', /"aot".*swinb-deaot-l/],
    [
      'a misspelt option',
      () => VideoTracker.load({ memoryMb: 200 } as object),
      'bad-option',
      /VideoTracker\.load has no option `memoryMb`; there is .*memoryMB/,
    ],
    [
      "a session's misspelt option",
      () => SamTrack.load({ segmentor: 'mobile-sam' } as object),
      'bad-option',
      /SamTrack\.load has no option `segmentor`; there is .*segmenter/,
    ],
    [
      'a misspelt option of track',
      () => track({ firstMasks: 1 } as never).next(),
      'bad-option',
      /track has no option `firstMasks`; there is .*firstMask/,
    ],
    [
      'a segmenter',
      () => SamTrack.load({ segmenter: 'sam-vit-x' }),
      'unknown-model',
      /segmenter "sam-vit-x".*sam-vit-b/,
    ],
    ['a detector', () => SamTrack.load({ detector: 'dino' }), 'unknown-model', /detector "dino".*grounding-dino-t/],
    ['no weights', () => VideoTracker.load({ model: 'deaot-l' }), 'no-weights', /deaot-l.*`weights`/],
    ['no options', () => SamTrack.load(null as never), 'bad-option', /SamTrack\.load takes an object.*null/],
    ['a frame', () => track({ from: -1 } as never).next(), 'bad-option', /`from` of track.*index of a frame, not -1/],
    ['a source', () => track({ source: 'a.mp4' } as never).next(), 'bad-option', /`source`.*openSource.*"a\.mp4"/],
    ['weights', () => VideoTracker.load({ weights: 5 as never }), 'unreadable', /path, a URL, a Blob or bytes.*number/],
  ])('%s', async (_, load, code, message) => {
    expect(await errorOf(load)).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ memoryMB: -1 }, 'above 0, not -1'],
    [{ memoryMB: '200' }, 'above 0, not "200"'],
    [{ memoryMB: null }, 'not null'],
    [{ longEdge: 0 }, 'whole number above 0, not 0'],
    [{ longEdge: Number.NaN }, 'not NaN'],
    [{ longEdge: 640.5 }, 'not 640.5'],
    [{ longTermGap: 0 }, 'or Infinity, not 0'],
    [{ memoryPolicy: 'lru' }, 'one of sparse, fifo, unbounded, not "lru"'],
    [{ strays: 'kept' }, 'one of keep, drop, not "kept"'],
    [{ zoom: true }, 'one of auto, off, not true'],
    [{ quality: 'best' }, 'one of standard, high, not "best"'],
    [{ cache: 'no' }, 'true or false, not "no"'],
    [{ signal: {} }, 'an AbortSignal, not an object'],
    [{ onProgress: 5 }, 'a function, not 5'],
  ])('the option %j', async (options, message) => {
    const [name] = Object.keys(options);
    for (const owner of 'memoryMB' in options ? [VideoTracker] : [VideoTracker, SamTrack]) {
      const error = await errorOf(() => owner.load(options));
      expect(error).toMatchObject({ name: 'TrackingError', code: 'bad-option' });
      expect((error as Error).message).toContain(`\`${name}\` of `);
      expect((error as Error).message).toContain(message);
    }
  });

  it('a range without frames, and two runs with one tracker at a time', async () => {
    const tracker = await VideoTracker.load({ weights: DEAOT_T_WEIGHTS });
    const entries = [0, 1, 2].map((i) => ({ file: `${i}.png`, stem: `${i}`, load: async () => makeFrame(i, SIZE) }));
    const source = await imageSource('frames', entries);
    const firstMask = makeMask(SIZE);
    const begin = (range: { from?: number; to?: number } = {}) => track({ source, tracker, firstMask, ...range });
    for (const [range, message] of [
      [{ from: 3 }, /`from` of track is 3, and frames has 3 frames/],
      [{ from: 1, to: 1 }, /`to` of track is the frame to stop before: 1 is not behind 1/],
    ] as const) {
      expect(await errorOf(() => begin(range).next())).toMatchObject({
        code: 'bad-option',
        message: expect.stringMatching(message),
      });
    }
    const first = begin();
    expect((await first.next()).value).toMatchObject({ done: 1 });
    const second = begin();
    expect((await second.next()).value).toMatchObject({ done: 1 });
    expect(await errorOf(() => first.next())).toMatchObject({ name: 'TrackingError', code: 'in-use' });
    // The one that began last has lost nothing.
    const alone = (await second.next()).value!.labels;
    await second.return(undefined);
    const again = begin();
    await again.next();
    expect((await again.next()).value!.labels).toEqual(alone);
    await again.return(undefined);
    tracker.dispose();
  });

  it('tracking without masks, and after dispose', async () => {
    const tracker = await VideoTracker.load({ weights: DEAOT_T_WEIGHTS });
    const entries = [{ file: '0.png', stem: '0', load: async () => makeFrame(0, SIZE) }];
    const source = await imageSource('frames', entries);
    expect(await errorOf(() => track({ source, tracker }).next())).toMatchObject({ code: 'no-masks' });
    expect(await errorOf(() => tracker.step(makeFrame(0, SIZE)))).toMatchObject({ code: 'no-masks' });
    tracker.dispose();
    expect(await errorOf(() => tracker.step(makeFrame(0, SIZE)))).toMatchObject({
      name: 'TrackingError',
      code: 'disposed',
    });
  });
});
