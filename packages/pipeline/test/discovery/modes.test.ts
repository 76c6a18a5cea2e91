import { OutOfBudgetError } from '@samtrack/models';
import { embeddedWeights } from '@samtrack/weights/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Detector } from '../../src/assist/index.js';
import {
  automatic,
  Discoverer,
  type DiscovererOptions,
  type DiscoveryReport,
  describedBy,
  everything,
  fusion,
} from '../../src/discovery/index.js';
import { type ResultSummary, ResultWriter } from '../../src/export/index.js';
import { type Frame, type LabelMap, labelIds, MemoryFolder, maxLabelId } from '../../src/io/index.js';
import { type TrackProgress, VideoTracker } from '../../src/tracking/index.js';
import { type Actor, COLOURS, clipOf, colourSegmenter, iouOf, truthOf } from './clip.js';

/** Two objects in view, one that enters in frame 7, one in frame 12. */
const ACTORS: readonly Actor[] = [
  { enters: 0, at: [190, 95], by: [-2, 0], radius: 22, colour: COLOURS[1] },
  { enters: 0, at: [50, 40], by: [3, 0], radius: 18, colour: COLOURS[0] },
  { enters: 7, at: [10, 100], by: [4, 0], radius: 17, colour: COLOURS[2] },
  { enters: 12, at: [225, 30], by: [-4, 1], radius: 18, colour: COLOURS[3] },
];
const EVERY = 5;

let tracker: VideoTracker;
beforeAll(async () => {
  const weights = embeddedWeights('deaot-t')!;
  tracker = await VideoTracker.load({ model: 'deaot-t', weights: weights.path });
});
beforeEach(() => tracker.restart());
afterAll(() => tracker.dispose());

/** Runs a generator to its end: the masks of its frames. */
async function run(generator: AsyncGenerator<TrackProgress>): Promise<LabelMap[]> {
  const maps: LabelMap[] = [];
  for await (const { labels } of generator) maps.push(labels);
  return maps;
}

/** A discoverer and what it reported. */
function watched(options: DiscovererOptions) {
  const reports: DiscoveryReport[] = [];
  const discoverer = new Discoverer({ every: EVERY, ...options, onDiscovery: (report) => reports.push(report) });
  return { discoverer, reports, births: () => discoverer.objects.map(({ id, frame }) => [id, frame]) };
}

describe('automatic', () => {
  it('finds each object within n frames after it enters, and none twice', async () => {
    const { discoverer, reports } = watched({ candidates: everything(colourSegmenter()), first: true });
    const source = await clipOf(ACTORS, 21);
    const maps = await run(automatic({ source, tracker, discovery: discoverer }));
    expect(reports.map(({ frame }) => frame.index)).toEqual([0, 5, 10, 15, 20]);
    expect(discoverer.objects.map(({ id, source }) => [id, source])).toEqual(
      [1, 2, 3, 4].map((id) => [id, 'everything']),
    );
    for (const [k, { enters }] of ACTORS.entries()) {
      const { id, frame } = discoverer.objects[k]!;
      expect(frame - enters).toBeGreaterThanOrEqual(0);
      expect(frame - enters).toBeLessThan(EVERY);
      // Born with its own pixels, and followed to the end under one id. Until a newcomer is found, the tracker may take it for another one.
      expect(iouOf(maps[frame]!, id, truthOf(ACTORS, frame), k + 1)).toBeGreaterThan(0.95);
      for (let i = frame; i < maps.length; i++) {
        if (ACTORS.some((actor, a) => actor.enters <= i && discoverer.objects[a]!.frame > i)) continue;
        expect(iouOf(maps[i]!, id, truthOf(ACTORS, i), k + 1)).toBeGreaterThan(0.75);
      }
    }
    expect(labelIds(maps.at(-1)!)).toEqual([1, 2, 3, 4]);
  });

  it('waits for the first object with empty masks', async () => {
    const late = [{ ...ACTORS[2]!, enters: 3 }];
    const { discoverer, births } = watched({ candidates: everything(colourSegmenter()) });
    const maps = await run(automatic({ source: await clipOf(late, 8), tracker, discovery: discoverer }));
    expect(maps.map(maxLabelId)).toEqual([0, 0, 0, 0, 0, 1, 1, 1]);
    expect(births()).toEqual([[1, 5]]);
  });

  it('lets later frames vote: what flickers up gets no id, and costs a look only where something is new', async () => {
    const ghost = (await colourSegmenter().everything((await framesOf([ACTORS[3]!], 13))[12]!))[0]!;
    const seen = [{ ...ACTORS[0]!, enters: 0 }];
    // The ghost is seen at the first look of frames 0 and 5, never in the frames behind them.
    const haunted = () => colourSegmenter((look) => (look === 0 || look === 3 ? [ghost] : []));
    const candidates = haunted();
    const voted = watched({ candidates: everything(candidates), lookAhead: 2 });
    await run(automatic({ source: await clipOf(seen, 11), tracker, discovery: voted.discoverer }));
    expect(voted.births()).toEqual([[1, 0]]);
    expect(voted.reports.map(({ rejected }) => rejected.map(({ reason }) => reason))).toEqual([
      ['unconfirmed'],
      ['tracked', 'unconfirmed'],
      ['tracked'],
    ]);
    expect(candidates.looks).toBe(3 + 3 + 1);

    tracker.restart();
    const hasty = watched({ candidates: everything(haunted()), lookAhead: 0 });
    await run(automatic({ source: await clipOf(seen, 2), tracker, discovery: hasty.discoverer }));
    expect(hasty.discoverer.objects).toHaveLength(2);
  });

  it('queues candidates for review instead', async () => {
    const { discoverer, reports } = watched({ candidates: everything(colourSegmenter()), review: true });
    const maps = await run(automatic({ source: await clipOf(ACTORS, 11), tracker, discovery: discoverer }));
    expect(maps.every((map) => maxLabelId(map) === 0)).toBe(true);
    expect(discoverer.objects).toEqual([]);
    expect(reports.map(({ queued }) => queued.map(({ key }) => key))).toEqual([[1, 2], [], [3]]);
    expect(discoverer.queue.waiting.map(({ key, firstFrame, seen }) => [key, firstFrame, seen])).toEqual([
      [1, 0, 3],
      [2, 0, 3],
      [3, 10, 1],
    ]);
  });

  it('comes to the same objects when it was interrupted and resumed', async () => {
    const source = await clipOf(ACTORS, 14);
    const once = async (folder: MemoryFolder, frames: number, existing: 'error' | 'resume', before?: Discoverer) => {
      tracker.restart();
      const { discoverer } = watched({ candidates: everything(colourSegmenter()), objects: before?.objects });
      const writer = await ResultWriter.open({ folder, source, overlay: false, existing });
      let done = 0;
      const maps: LabelMap[] = [];
      for await (const { labels } of automatic({ source, tracker, writer, discovery: discoverer })) {
        maps.push(labels);
        if (++done === frames) break;
      }
      const summary: ResultSummary = frames < 14 ? await writer.abort() : await writer.finish();
      return { discoverer, maps, summary };
    };
    const whole = await once(new MemoryFolder(), 14, 'error');
    const folder = new MemoryFolder();
    const first = await once(folder, 11, 'error');
    const second = await once(folder, 14, 'resume', first.discoverer);
    expect(second.summary).toMatchObject({ frames: 14, complete: true });
    expect(second.discoverer.objects).toEqual(whole.discoverer.objects);
    // Before the interruption the masks are the stored ones; after it, the new object is still followed.
    expect(second.maps.slice(0, 11)).toEqual(whole.maps.slice(0, 11));
    for (const i of [11, 12, 13]) {
      for (const id of [1, 2, 3]) expect(iouOf(second.maps[i]!, id, whole.maps[i]!, id)).toBeGreaterThan(0.9);
    }
  });
});

/** Pictures of a clip. */
async function framesOf(actors: readonly Actor[], count: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of await clipOf(actors, count)) frames.push(frame);
  return frames;
}

describe('fusion', () => {
  const given = truthOf(ACTORS.slice(0, 1), 0);

  /** Sees the boxes of two actors, and a box around everything. */
  const detector = (): Detector => {
    let look = 0;
    return {
      name: 'told',
      async detect(image, { text }) {
        expect(text).toBe('red ball . blue ball');
        const index = Math.min(++look * EVERY, 10);
        const boxes = [1, 2].flatMap((k) => {
          const { enters, at, by, radius } = ACTORS[k]!;
          if (index < enters) return [];
          const [x, y] = [at[0] + by[0] * (index - enters), at[1] + by[1] * (index - enters)];
          const box = [x - radius, y - radius, x + radius, y + radius] as const;
          return [{ box, label: k === 1 ? 'red ball' : 'blue ball', score: 0.6 }];
        });
        return [...boxes, { box: [0, 0, image.width, image.height] as const, label: 'red ball', score: 0.3 }];
      },
      dispose() {},
    };
  };

  it('tracks what was given and finds what a text describes, with its class', async () => {
    const candidates = describedBy(detector(), colourSegmenter(), { text: 'red ball . blue ball', maxBoxShare: 0.5 });
    const { discoverer, reports } = watched({ candidates, lookAhead: 0, classCaps: { 'red ball': 1 } });
    const source = await clipOf(ACTORS, 12);
    const maps = await run(fusion({ source, tracker, firstMask: given, discovery: discoverer }));
    expect(reports.map(({ frame }) => frame.index)).toEqual([5, 10]);
    expect(maps[0]).toEqual(given);
    expect(discoverer.objects).toMatchObject([
      { id: 1, source: 'mask' },
      { id: 2, source: 'text', label: 'red ball', score: 0.6 },
      { id: 3, source: 'text', label: 'blue ball', frame: 10 },
    ]);
    expect(iouOf(maps[11]!, 3, truthOf(ACTORS, 11), 3)).toBeGreaterThan(0.75);
  });

  it('goes on with what it has where the memory is full', async () => {
    const full: number[] = [];
    const { discoverer } = watched({
      candidates: everything(colourSegmenter()),
      lookAhead: 0,
      onFull: (frame, error) => {
        expect(error).toBeInstanceOf(OutOfBudgetError);
        full.push(frame.index);
      },
    });
    // One reference frame of one group fits, a second one does not.
    tracker.restart({ memoryMB: 1.6 });
    const maps = await run(
      fusion({ source: await clipOf(ACTORS, 8), tracker, firstMask: given, discovery: discoverer }),
    );
    expect(full).toEqual([5]);
    expect(discoverer.objects.map(({ id }) => id)).toEqual([1]);
    expect(maps.map(maxLabelId)).toEqual(Array(8).fill(1));
  });
});
