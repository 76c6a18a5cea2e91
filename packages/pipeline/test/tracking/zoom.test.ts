import { getRuntime } from '@samtrack/kernels';
import { type SnapshotTensor, TrackerError } from '@samtrack/models';
import { describe, expect, it } from 'vitest';
import { planTrack } from '../../src/cli/track/index.js';
import { emptyLabelMap, type LabelMap } from '../../src/io/index.js';
import { VideoTracker, type VideoTrackerOptions } from '../../src/tracking/index.js';
import { extentOf, FrameCrop, fitsInto, windowSize, zoomOf } from '../../src/tracking/zoom.js';
import { COLOURS, frameOf, iouOf, truthOf } from '../discovery/clip.js';
import { temporaryFolder } from '../io/temporary.js';
import { writeDeaotL } from './scene.js';

const FRAME = { width: 200, height: 100 };
type Block = readonly [id: number, x0: number, y0: number, x1: number, y1: number];
function mapOf(...blocks: Block[]): LabelMap {
  const map = emptyLabelMap(FRAME.width, FRAME.height);
  for (const [id, x0, y0, x1, y1] of blocks) {
    for (let y = y0; y < y1; y++) map.data.fill(id, y * FRAME.width + x0, y * FRAME.width + x1);
  }
  return map;
}
const windowOf = (...blocks: Block[]) => windowSize(FRAME, [extentOf(mapOf(...blocks))!]);

describe('the window', () => {
  it.each([
    [['--mask', 'm.png'], undefined],
    [['--point', '3,4'], 'off'],
    [['--mode', 'automatic', '--everything'], 'off'],
    [['--point', '3,4', '--zoom', 'auto'], 'auto'],
    [['--mask', 'm.png', '--zoom', 'off'], 'off'],
  ])('is for masks that are given, unless asked for: %j', (argv, zoom) => {
    expect(planTrack(['v.mp4', '--out', 'x', ...argv]).settings.tracking.zoom).toBe(zoom);
  });

  it('has the ids and the box of what there is', () => {
    expect(extentOf(mapOf())).toBeUndefined();
    expect(extentOf(mapOf([3, 10, 20, 30, 40], [7, 199, 99, 200, 100]))).toMatchObject({
      ids: new Set([3, 7]),
      box: [10, 20, 200, 100],
    });
  });

  it('does not follow fragments', () => {
    // The first one has 1425 pixels, 200 of them being hidden: 71 at either end go.
    const blocks = [
      [1, 40, 20, 80, 60],
      [1, 190, 5, 195, 10],
      [2, 60, 50, 100, 90],
    ] as const;
    expect(extentOf(mapOf(...blocks))).toMatchObject({ box: [40, 5, 195, 90], core: [41, 21, 98, 88] });
  });

  it('is half as large again as the box around the objects of all references, half of the frame at least', () => {
    expect(windowOf([1, 90, 40, 95, 45])).toEqual({ height: 50, width: 100 });
    expect(windowOf([1, 90, 40, 95, 80])).toEqual({ height: 60, width: 100 });
    expect(windowOf([1, 90, 10, 95, 80])).toEqual({ height: 100, width: 100 });
    const references = [mapOf([1, 0, 0, 80, 10]), mapOf([1, 0, 0, 10, 40])].map((map) => extentOf(map)!);
    expect(windowSize(FRAME, references)).toEqual({ height: 60, width: 120 });
    expect(zoomOf(FRAME, { height: 50, width: 100 })).toEqual({ whole: FRAME, factor: 2 });
  });

  it('is none where it would gain nothing', () => {
    expect(windowOf([1, 20, 10, 150, 90])).toBeUndefined();
    expect(windowOf([1, 0, 0, 5, 5], [2, 195, 95, 200, 100])).toBeUndefined();
    expect(windowSize(FRAME, [])).toBeUndefined();
  });

  it('is left where an object is not seen, or needs more room', () => {
    const window = { height: 100, width: 100 };
    const fits = (ids: number[], ...blocks: Block[]) => {
      const seen = extentOf(mapOf(...blocks));
      return fitsInto(window, FRAME, seen, seen?.core, new Set(ids));
    };
    expect(fits([1], [1, 50, 0, 138, 100])).toBe(true);
    expect(fits([1], [1, 50, 0, 140, 100])).toBe(false);
    expect(fits([1, 2], [1, 50, 0, 60, 100])).toBe(false);
    expect(fits([1])).toBe(false);
    // A window around 100 to 110 ends at 155.
    const reaches = (x1: number) =>
      !fitsInto(window, FRAME, extentOf(mapOf([1, 100, 0, x1, 100])), [100, 0, 110, 100], new Set([1]));
    expect([reaches(152), reaches(153)]).toEqual([false, true]);
  });

  it('lies around the objects, within the frame, and labels go back to where they were', () => {
    const map = mapOf([1, 150, 60, 190, 95], [2, 0, 0, 1, 1]);
    const crop = FrameCrop.around(extentOf(mapOf([1, 150, 60, 190, 95]))!.core, { width: 100, height: 50 }, FRAME);
    const rgba = Uint8Array.from({ length: 4 * FRAME.width * FRAME.height }, (_, i) => (i * 31) % 251);
    // Centred at x 170 and y 77.5, as far as the frame reaches.
    const at = (x: number, y: number) => 4 * ((50 + y) * FRAME.width + 100 + x);
    const pixels = crop.pixels(rgba);
    expect(pixels).toHaveLength(4 * 100 * 50);
    expect(pixels.subarray(0, 400)).toEqual(rgba.subarray(at(0, 0), at(0, 0) + 400));
    expect(pixels.subarray(-400)).toEqual(rgba.subarray(at(0, 49), at(0, 49) + 400));
    // What lies outside of the window is not seen.
    expect(crop.placed(crop.labels(map.data))).toEqual(mapOf([1, 150, 60, 190, 95]).data);
    expect(() => crop.pixels(rgba.subarray(4))).toThrow(TrackerError);
    expect(() => crop.labels(map.data.subarray(1))).toThrow(TrackerError);
  });
});

describe('a tracker that looks through a window', () => {
  /** 240x136 pixels, one disc. */
  const clip = [{ enters: 0, at: [40, 40], by: [14, 5], radius: 6, colour: COLOURS[0] }] as const;
  const load = (options: VideoTrackerOptions = {}) => VideoTracker.load({ engine: 'cpu', ...options });

  it('finds a small thing that moves by more than its size better, with an input that is no larger', async () => {
    const meanIou = async (zoom?: 'off') => {
      using tracker = await load({ zoom });
      await tracker.addReference(frameOf(clip, 0), truthOf(clip, 0));
      let sum = 0;
      for (let i = 1; i < 6; i++) sum += iouOf(await tracker.step(frameOf(clip, i)), 1, truthOf(clip, i), 1) / 5;
      const { height, width } = tracker.networkSize!;
      expect(height * width).toBeLessThanOrEqual(129 * 241);
      return sum;
    };
    const [zoomed, off] = [await meanIou(), await meanIou('off')];
    expect(zoomed).toBeGreaterThan(off + 0.02);
    expect(zoomed).toBeGreaterThan(0.85);
  });

  /** Frames 1 to `last`; in frame 2 the disc is not seen. */
  async function run(
    tracker: VideoTracker,
    last: number,
    before: (index: number) => void = () => {},
  ): Promise<LabelMap[]> {
    await tracker.addReference(frameOf(clip, 0), truthOf(clip, 0));
    const results = [truthOf(clip, 0)];
    for (let i = 1; i <= last; i++) {
      before(i);
      const hidden = i === 2;
      if (hidden) await tracker.recall(frameOf(clip, i), emptyLabelMap(240, 136));
      results.push(hidden ? emptyLabelMap(240, 136) : await tracker.step(frameOf(clip, i)));
    }
    return results;
  }

  it('looks at the whole frame after one in which the object is not seen, and goes on from recalled frames with the same bytes', async () => {
    using tracker = await load();
    const results = await run(tracker, 5);
    expect(tracker.recallsExactly).toBe(true);
    expect(tracker.recentFrames).toBe(3);
    for (const start of [2, 3, 4]) {
      tracker.restart();
      await tracker.addReference(frameOf(clip, 0), truthOf(clip, 0));
      for (const i of [start - 2, start - 1, start].filter((i) => i > 0))
        await tracker.recall(frameOf(clip, i), results[i]!);
      expect(results[start]!.data.some((id) => id > 0)).toBe(start !== 2);
      expect((await tracker.step(frameOf(clip, start + 1))).data).toEqual(results[start + 1]!.data);
      expect(tracker.windowSize).toEqual(start === 2 ? undefined : { height: 68, width: 120 });
    }
  });

  it('sees more of whole frames with high quality', async () => {
    const large = { width: 960, height: 64 };
    const networkSize = async (options: VideoTrackerOptions) => {
      using tracker = await load({ zoom: 'off', ...options });
      const labels = emptyLabelMap(large.width, large.height);
      labels.data.fill(1, 0, 100);
      const rgba = new Uint8Array(large.width * large.height * 4);
      await tracker.addReference({ ...frameOf(clip, 0), ...large, rgba }, labels);
      return tracker.networkSize;
    };
    expect(await networkSize({})).toEqual({ height: 49, width: 641 });
    expect(await networkSize({ quality: 'high' })).toEqual({ height: 65, width: 849 });
    await expect(load({ quality: 'high', longEdge: 500 })).rejects.toThrow(/both say how large/);
  });

  it('goes on from a snapshot with the same bytes, through the same window', async () => {
    const weights = writeDeaotL(temporaryFolder());
    const options = { model: 'deaot-l', weights, zoom: 'auto', longTermGap: 1, longEdge: 97 } as const;
    using tracker = await load(options);
    await tracker.addReference(frameOf(clip, 0), truthOf(clip, 0));
    for (const i of [1, 2]) await tracker.recall(frameOf(clip, i), truthOf(clip, i));
    const { state, tensors } = tracker.snapshot()!;
    const held = new Map<string, SnapshotTensor>();
    for (const [name, { shape, read }] of tensors) {
      const values = await read();
      held.set(name, { shape, read: async () => values });
    }
    const next = await tracker.step(frameOf(clip, 3));
    expect(tracker.windowSize).toEqual({ height: 68, width: 120 });
    tracker.restart();
    await tracker.restore({ state: JSON.parse(JSON.stringify(state)), tensors: held });
    for (const i of [0, 1, 2]) tracker.recollect(frameOf(clip, i), truthOf(clip, i));
    expect(await tracker.step(frameOf(clip, 3))).toEqual(next);
    expect(tracker.windowSize).toEqual({ height: 68, width: 120 });
  });

  it('finds the same after a lost GPU', async () => {
    const options = { engine: 'webgpu', longEdge: 161 } as const;
    const expected = await (async () => {
      using tracker = await load(options);
      return await run(tracker, 4);
    })();
    let lost = 0;
    using tracker = await load({ ...options, onDeviceLost: () => lost++ });
    const results = await run(tracker, 4, (i) => {
      if (i === 1 || i === 4) getRuntime().device.destroy();
    });
    expect(lost).toBe(2);
    expect(results).toEqual(expected);
  });
});
