import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Candidate,
  compareMasks,
  confirmedBy,
  DiscoveryError,
  discover,
  isNewObject,
  propose,
  ReviewQueue,
  rleIou,
  StrayWatch,
  withoutPixels,
} from '../../src/discovery/index.js';
import { decodeRle, emptyLabelMap, encodeRle, type LabelMap, labelIds } from '../../src/io/index.js';

const mapOf = (ids: readonly number[], width = ids.length): LabelMap => ({
  width,
  height: ids.length / width,
  data: Uint16Array.from(ids),
});

/** A candidate from its pixels, row by row. */
const candidateOf = (pixels: readonly number[], width = pixels.length, more: Partial<Candidate> = {}): Candidate => ({
  mask: encodeRle(pixels, width, pixels.length / width),
  ...more,
});
const run = (length: number, from: number, to: number) =>
  Array.from({ length }, (_, i) => (i >= from && i < to ? 1 : 0));

describe('comparing mask results', () => {
  test('the worked example: objects 1 and 2 on 20 pixels, masks 1 to 4 on 5 pixels each beside them become 3, 4, 5, 6', () => {
    const tracked = mapOf([...Array(10).fill(1), ...Array(10).fill(2), ...Array(20).fill(0)]);
    const segmented = [0, 1, 2, 3].map((k) => candidateOf(run(40, 20 + 5 * k, 25 + 5 * k)));
    const { labels, accepted, rejected } = discover(tracked, segmented, { minArea: 1 });
    expect(accepted.map(({ id }) => id)).toEqual([3, 4, 5, 6]);
    const fives = [3, 4, 5, 6].flatMap((id) => Array(5).fill(id));
    expect([...labels.data]).toEqual([...tracked.data.subarray(0, 20), ...fives]);
    expect(rejected).toEqual([]);
    // The given map stays as it was.
    expect(labelIds(tracked)).toEqual([1, 2]);
  });

  test('Eq. 1 keeps the segmentation where nothing is tracked; x_s and x_n are areas before and after', () => {
    const { fresh, objects } = compareMasks(mapOf([0, 0, 7, 7, 0, 0]), mapOf([0, 1, 1, 1, 4, 4]));
    expect([...fresh.data]).toEqual([0, 1, 0, 0, 4, 4]);
    expect(objects).toEqual([
      { id: 1, visible: 3, fresh: 1, coverage: 1 / 3 },
      { id: 4, visible: 2, fresh: 2, coverage: 1 },
    ]);
    expect(() => compareMasks(emptyLabelMap(2, 2), emptyLabelMap(2, 3))).toThrow(RangeError);
  });

  test('a share of exactly 0.8 is accepted, and refused by Eq. 2 as it is printed', () => {
    // 1000 pixels of the mask: 800 or 799 of them untracked.
    const trackedUpTo = (n: number) => mapOf(Array.from({ length: 2000 }, (_, i) => (i < n ? 1 : 0)));
    const mask = [candidateOf(run(2000, 0, 1000))];
    expect(discover(trackedUpTo(200), mask).accepted).toMatchObject([{ id: 2, coverage: 0.8, area: 800 }]);
    expect(discover(trackedUpTo(201), mask).rejected).toMatchObject([{ reason: 'tracked' }]);
    expect(discover(trackedUpTo(200), mask, { strict: true }).rejected).toMatchObject([{ reason: 'tracked' }]);
    expect(discover(trackedUpTo(199), mask, { strict: true }).accepted).toHaveLength(1);
    expect([isNewObject(0.5, { threshold: 0.5 }), isNewObject(0.5, { threshold: 0.5, strict: true })]).toEqual([
      true,
      false,
    ]);
  });

  test('199 pixels are too small, 200 are not', () => {
    const empty = emptyLabelMap(400, 1);
    expect(discover(empty, [candidateOf(run(400, 0, 199))]).rejected).toMatchObject([{ reason: 'small' }]);
    expect(discover(empty, [candidateOf(run(400, 0, 200))]).accepted).toMatchObject([{ id: 1, area: 200 }]);
  });

  test('small masks lie on large ones, and each keeps what is visible of it', () => {
    const large = candidateOf(run(12, 0, 12));
    const small = candidateOf(run(12, 4, 8));
    for (const candidates of [
      [large, small],
      [small, large],
    ]) {
      const { labels, accepted } = discover(emptyLabelMap(12, 1), candidates, { minArea: 1 });
      expect(accepted.map(({ id, area }) => [id, area])).toEqual([
        [1, 8],
        [2, 4],
      ]);
      expect([...labels.data]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1]);
    }
  });

  test('doubles: the better of two that cover nearly the same pixels', () => {
    const better = candidateOf(run(20, 1, 11), 20, { score: 0.9, label: 'dog' });
    const worse = candidateOf(run(20, 0, 11), 20, { score: 0.5, label: 'cat' });
    const { accepted, rejected } = discover(emptyLabelMap(20, 1), [worse, better], { minArea: 1 });
    expect(accepted).toMatchObject([{ id: 1, label: 'dog', area: 10 }]);
    expect(rejected).toEqual([{ candidate: worse, reason: 'duplicate' }]);
    expect(rleIou(better.mask, worse.mask)).toBeCloseTo(10 / 11, 12);
  });

  test('ids begin above every id there ever was', () => {
    const one = [candidateOf(run(8, 0, 4))];
    const options = { minArea: 1 };
    expect(discover(mapOf([0, 0, 0, 0, 0, 3, 3, 0]), one, options).accepted[0]!.id).toBe(4);
    // Object 9 is not to be seen now.
    const known = [{ id: 9 }, { id: 3 }];
    expect(discover(mapOf([0, 0, 0, 0, 0, 3, 3, 0]), one, { ...options, known }).accepted[0]!.id).toBe(10);
  });

  test('caps: the highest id, a class, and the share of the frame', () => {
    const dogs = [0, 1, 2, 3].map((k) => candidateOf(run(20, 5 * k, 5 * k + 5), 20, { label: k < 3 ? 'dog' : 'cat' }));
    const empty = emptyLabelMap(20, 1);
    const reasons = (options: object) => {
      const { accepted, rejected } = discover(empty, dogs, { minArea: 1, ...options });
      return [accepted.map(({ id, label }) => `${label} ${id}`), rejected.map(({ reason }) => reason)];
    };
    expect(reasons({ maxObjects: 2 })).toEqual([
      ['dog 1', 'dog 2'],
      ['object-limit', 'object-limit'],
    ]);
    expect(reasons({ classCaps: { dog: 2 } })).toEqual([['dog 1', 'dog 2', 'cat 3'], ['class-limit']]);
    expect(reasons({ classCaps: { dog: 2 }, known: [{ id: 1, label: 'dog' }] })).toEqual([
      ['dog 2', 'cat 3'],
      ['class-limit', 'class-limit'],
    ]);
    expect(reasons({ maxNewShare: 0.9 })).toEqual([[], Array(4).fill('new-share')]);
    expect(reasons({ maxNewShare: 1 })[1]).toEqual([]);
  });

  test('above 255 objects', () => {
    const tracked = mapOf([...Array.from({ length: 300 }, (_, i) => i + 1), 0, 0, 0]);
    const [mask] = [candidateOf(run(303, 300, 303))];
    expect(discover(tracked, [mask], { minArea: 1 }).rejected).toMatchObject([{ reason: 'object-limit' }]);
    const { labels, accepted } = discover(tracked, [mask], { minArea: 1, maxObjects: 1000 });
    expect(accepted[0]!.id).toBe(301);
    expect([...labels.data.subarray(298)]).toEqual([299, 300, 301, 301, 301]);
  });

  test('for review, nothing is added', () => {
    const tracked = mapOf([1, 1, 0, 0, 0, 0]);
    const { labels, accepted, queued } = discover(tracked, [candidateOf(run(6, 3, 6))], { minArea: 1, review: true });
    expect([labels, accepted]).toEqual([tracked, []]);
    expect(queued).toMatchObject([{ area: 3, bbox: [3, 0, 3, 1], coverage: 1 }]);
  });

  test.each<[what: string, options: object, message: RegExp]>([
    ['threshold', { threshold: 1.5 }, /^threshold: 1\.5 is not between 0 and 1/],
    ['minArea', { minArea: -1 }, /^minArea: -1/],
    ['maxObjects', { maxObjects: 65536 }, /^maxObjects: 65536 is not a whole number from 1 to 65535/],
    ['classCaps', { classCaps: { dog: 0.5 } }, /^classCaps\.dog: 0\.5/],
  ])('a wrong option is named: %s', (_, options, message) => {
    expect(() => discover(emptyLabelMap(2, 1), [], options)).toThrow(message);
  });

  test('a candidate of another size is named', () => {
    const wrong = [candidateOf([1, 1]), candidateOf([1, 1, 1])];
    expect(() => discover(emptyLabelMap(2, 1), wrong)).toThrow(DiscoveryError);
    expect(() => discover(emptyLabelMap(2, 1), wrong)).toThrow(
      /candidate 1: its mask has 3x1 pixels, the frame has 2x1/,
    );
  });
});

describe('properties', () => {
  const [W, H] = [12, 9];
  const rectangle = fc.record({
    x: fc.nat(W - 1),
    y: fc.nat(H - 1),
    w: fc.integer({ min: 1, max: W }),
    h: fc.integer({ min: 1, max: H }),
    score: fc.constantFrom(undefined, 0.5, 0.9),
    label: fc.constantFrom(undefined, 'dog', 'cat'),
  });
  type Rectangle = typeof rectangle extends fc.Arbitrary<infer T> ? T : never;
  const inside = ({ x, y, w, h }: Rectangle, i: number) => {
    const [px, py] = [i % W, Math.floor(i / W)];
    return px >= x && px < x + w && py >= y && py < y + h;
  };
  const pixels = (r: Rectangle) => Array.from({ length: W * H }, (_, i) => (inside(r, i) ? 1 : 0));
  const candidate = (r: Rectangle) => candidateOf(pixels(r), W, { score: r.score, label: r.label });
  const scene = fc.record({
    tracked: fc.array(fc.record({ id: fc.integer({ min: 1, max: 400 }), area: rectangle }), { maxLength: 4 }),
    candidates: fc.array(rectangle, { maxLength: 8 }),
    known: fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 4 }),
    threshold: fc.constantFrom(0, 0.25, 0.5, 0.8, 1),
    minArea: fc.integer({ min: 0, max: 12 }),
    duplicateIou: fc.constantFrom(0.5, 0.8, 1),
  });
  const trackedMap = (objects: { id: number; area: Rectangle }[]) => {
    const map = emptyLabelMap(W, H);
    for (const { id, area } of objects) for (let i = 0; i < W * H; i++) if (inside(area, i)) map.data[i] = id;
    return map;
  };

  test('ids never collide, tracked pixels never change, every candidate is accounted for', () => {
    fc.assert(
      fc.property(scene, ({ tracked: objects, candidates: rectangles, known, ...options }) => {
        const tracked = trackedMap(objects);
        const candidates = rectangles.map(candidate);
        const used = new Set([...labelIds(tracked), ...known]);
        const all = { ...options, maxObjects: 1000, known: known.map((id) => ({ id })) };
        const { labels, accepted, rejected } = discover(tracked, candidates, all);
        const ids = accepted.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        for (const id of ids) expect(used.has(id)).toBe(false);
        expect(ids).toEqual(ids.map((_, i) => Math.max(0, ...used) + 1 + i));
        for (let i = 0; i < W * H; i++) if (tracked.data[i]) expect(labels.data[i]).toBe(tracked.data[i]);
        expect(labelIds(labels)).toEqual([...new Set([...labelIds(tracked), ...ids])].sort((a, b) => a - b));
        for (const { id, mask, area, coverage } of accepted) {
          expect([...decodeRle(mask)]).toEqual([...labels.data].map((label) => (label === id ? 1 : 0)));
          expect(area).toBeGreaterThanOrEqual(options.minArea);
          expect(coverage).toBeGreaterThanOrEqual(options.threshold);
        }
        expect(accepted.length + rejected.length).toBe(candidates.length);
      }),
      { numRuns: 300 },
    );
  });

  test('a tracked object is never born again', () => {
    fc.assert(
      fc.property(scene, ({ tracked: objects, candidates: rectangles, known: _, ...options }) => {
        const all = { ...options, threshold: Math.max(options.threshold, 0.25), maxObjects: 1000 };
        const first = discover(trackedMap(objects), rectangles.map(candidate), all);
        // The objects themselves, as a segmenter that sees them all would deliver them.
        const seen = labelIds(first.labels).map((id) =>
          candidateOf(
            [...first.labels.data].map((label) => (label === id ? 1 : 0)),
            W,
          ),
        );
        expect(discover(first.labels, seen, all).accepted).toEqual([]);
        expect(
          discover(
            first.labels,
            first.accepted.map(({ mask }) => ({ mask })),
            all,
          ).accepted,
        ).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('the order of the masks does not matter', () => {
    const shuffled = scene.chain((s) =>
      fc.tuple(
        fc.constant(s),
        fc.shuffledSubarray(s.candidates, { minLength: s.candidates.length, maxLength: s.candidates.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([{ tracked: objects, candidates: rectangles, known: _, ...options }, other]) => {
        const tracked = trackedMap(objects);
        const all = { ...options, maxObjects: 1000, classCaps: { dog: 1 } };
        const [a, b] = [rectangles, other].map((list) => discover(tracked, list.map(candidate), all));
        expect(b!.labels).toEqual(a!.labels);
        const objectsOf = (list: typeof a) =>
          list!.accepted.map(({ id, label, score, area }) => ({ id, label, score, area }));
        expect(objectsOf(b)).toEqual(objectsOf(a));
      }),
      { numRuns: 300 },
    );
  });
});

describe('the vote before an id is born', () => {
  const at = (x: number) => candidateOf(run(40, x, x + 10));

  test('a mask that stays is confirmed, one that flickers up is not', () => {
    expect(confirmedBy(at(0), [[at(1)], [at(2)]])).toBe(true);
    expect(confirmedBy(at(0), [[], []])).toBe(false);
    // Half of the frames are enough by default; all can be asked for.
    expect(confirmedBy(at(0), [[], [at(2)]])).toBe(true);
    expect(confirmedBy(at(0), [[], [at(2)]], { share: 1 })).toBe(false);
    // Nothing to look at: the end of the video.
    expect(confirmedBy(at(0), [])).toBe(true);
  });

  test('it is followed from frame to frame', () => {
    expect(confirmedBy(at(0), [[at(4)], [at(8)], [at(12)]], { share: 1 })).toBe(true);
    // Without the steps between, it is somewhere else.
    expect(confirmedBy(at(0), [[at(12)]])).toBe(false);
    expect(confirmedBy(at(0), [[at(30), at(5)]], { iou: 0.3 })).toBe(true);
    expect(confirmedBy(at(0), [[at(5)]], { iou: 0.4 })).toBe(false);
  });
});

describe('the review queue', () => {
  const proposalsAt = (...xs: number[]) =>
    propose(
      emptyLabelMap(60, 1),
      xs.map((x) => candidateOf(run(60, x, x + 10))),
      { minArea: 1 },
    ).proposals;

  test('one entry for what is proposed again and again', () => {
    const queue = new ReviewQueue();
    expect(queue.add(0, proposalsAt(0, 30)).map(({ key }) => key)).toEqual([1, 2]);
    expect(queue.add(5, proposalsAt(3, 45)).map(({ key }) => key)).toEqual([3]);
    expect(
      queue.waiting.map(({ key, seen, frame, firstFrame, bbox }) => [key, seen, frame, firstFrame, bbox[0]]),
    ).toEqual([
      [1, 2, 5, 0, 3],
      [2, 1, 0, 0, 30],
      [3, 1, 5, 5, 45],
    ]);
    expect(queue.take(2)).toMatchObject({ key: 2 });
    expect(queue.take(2)).toBeUndefined();
    expect(queue.waiting).toHaveLength(2);
  });

  test('what was dismissed does not come back, also while it moves', () => {
    const queue = new ReviewQueue();
    queue.add(0, proposalsAt(0));
    expect([queue.dismiss(1), queue.dismiss(1)]).toEqual([true, false]);
    for (let i = 1; i < 8; i++) expect(queue.add(i, proposalsAt(3 * i))).toEqual([]);
    expect(queue.waiting).toEqual([]);
  });

  describe('of things that move by more than their size', () => {
    type Thing = readonly [x: number, y: number, side: number, colour: readonly [number, number, number]];
    const RED = [220, 50, 47] as const;
    const DARK_RED = [190, 44, 40] as const;
    const BLUE = [38, 110, 230] as const;
    const [width, height] = [200, 100];

    /** Squares on grey, and proposals of them. */
    const sight = (...things: Thing[]) => {
      const rgba = new Uint8Array(4 * width * height).fill(120);
      const masks = things.map(([left, top, side, colour]) => {
        const pixels = Array.from({ length: width * height }, (_, i) => {
          const [x, y] = [i % width, Math.floor(i / width)];
          return x >= left && x < left + side && y >= top && y < top + side ? 1 : 0;
        });
        for (const [i, inside] of pixels.entries()) if (inside) rgba.set(colour, 4 * i);
        return candidateOf(pixels, width);
      });
      const { proposals } = propose(emptyLabelMap(width, height), masks, { minArea: 1 });
      return [proposals, { width, height, rgba }] as const;
    };

    test('one entry, however fast it is, also if the light changes and it comes nearer', () => {
      const queue = new ReviewQueue();
      for (let i = 0; i < 5; i++) {
        const added = queue.add(5 * i, ...sight([10 + 35 * i, 20, 12 + 2 * i, i % 2 ? DARK_RED : RED]));
        expect(added, `look ${i}`).toHaveLength(i === 0 ? 1 : 0);
      }
      expect(queue.waiting).toMatchObject([{ key: 1, seen: 5, frame: 20, firstFrame: 0, bbox: [150, 20, 20, 20] }]);
    });

    test('what was dismissed stays so, also in a second run over the same frames', () => {
      const queue = new ReviewQueue();
      const at = (frame: number) => sight([10 + 7 * frame, 20, 12, RED]);
      for (const frame of [0, 5, 10]) queue.add(frame, ...at(frame));
      queue.dismiss(1);
      for (const frame of [15, 20, 0, 5, 10, 15]) expect(queue.add(frame, ...at(frame)), `${frame}`).toEqual([]);
      expect(queue.waiting).toEqual([]);
    });

    test('a thing that stays for very long is one, and known again where it goes', () => {
      const queue = new ReviewQueue();
      const there = sight([10, 20, 12, RED]);
      for (let i = 0; i < 1200; i++) expect(queue.add(i, ...there)).toHaveLength(i === 0 ? 1 : 0);
      const moved = sight([40, 20, 12, RED]);
      expect(queue.add(1203, ...moved)).toEqual([]);
      expect(queue.waiting).toMatchObject([{ key: 1, seen: 1201, frame: 1203 }]);
    });

    test('two that look alike are two, and each goes its way', () => {
      const queue = new ReviewQueue();
      for (let i = 0; i < 4; i++) {
        queue.add(5 * i, ...sight([10 + 30 * i, 10, 12, RED], [150 - 30 * i, 70, 12, RED]));
      }
      expect(queue.waiting.map(({ seen, bbox }) => [seen, ...bbox])).toEqual([
        [4, 100, 10, 12, 12],
        [4, 60, 70, 12, 12],
      ]);
    });

    test('what has other colours, another size, or is too far away is something else', () => {
      const first = () => {
        const queue = new ReviewQueue();
        queue.add(0, ...sight([10, 20, 12, RED]));
        return queue;
      };
      expect(first().add(5, ...sight([40, 20, 12, RED]))).toHaveLength(0);
      expect(first().add(5, ...sight([40, 20, 12, BLUE]))).toHaveLength(1);
      expect(first().add(5, ...sight([40, 20, 30, RED]))).toHaveLength(1);
      expect(first().add(5, ...sight([80, 20, 12, RED]))).toHaveLength(1);
      // Two in one frame are never one.
      expect(first().add(5, ...sight([40, 20, 12, RED], [10, 60, 12, RED]))).toHaveLength(1);
      expect(first().add(0, ...sight([40, 20, 12, RED]))).toHaveLength(1);
      // Without the picture nothing is known but the masks.
      expect(first().add(5, sight([40, 20, 12, RED])[0])).toHaveLength(1);
    });
  });
});

describe('strays', () => {
  /** 60x20 pixels, an object of 8x8 at each place. */
  const scene = (...places: [id: number, x: number, y: number][]): LabelMap => {
    const map = emptyLabelMap(60, 20);
    for (const [id, left, top] of places) {
      for (let i = 0; i < 64; i++) map.data[(top + (i >> 3)) * 60 + left + (i & 7)] = id;
    }
    return map;
  };
  const watchOf = (...maps: LabelMap[]) => {
    const watch = new StrayWatch();
    for (const map of maps) watch.observe(map);
    return watch;
  };
  const areas = (watch: StrayWatch, map: LabelMap) => watch.strays(map).map((pixels) => pixels.length);

  test('what an id jumps to while its object is still there', () => {
    const watch = watchOf(scene([1, 2, 2]));
    const map = scene([1, 4, 2], [1, 40, 8]);
    expect(areas(watch, map)).toEqual([64]);
    expect(labelIds(withoutPixels(map, watch.strays(map)))).toEqual([1]);
    // It stays a stray as long as it stays apart.
    watch.observe(map);
    expect(areas(watch, scene([1, 6, 2], [1, 38, 8]))).toEqual([64]);
  });

  test('also close to an object at rest, but not within the way of one that moves', () => {
    expect(areas(watchOf(scene([1, 2, 2])), scene([1, 2, 2], [1, 15, 2]))).toEqual([64]);
    expect(areas(watchOf(scene([1, 2, 2], [1, 11, 2])), scene([1, 5, 2], [1, 14, 2]))).toEqual([]);
  });

  test('where the two touch: a candidate tells them apart', () => {
    const watch = watchOf(scene([1, 2, 2]));
    const both = scene([1, 2, 2], [1, 10, 2], [1, 14, 2]);
    const far = candidateOf([...scene([1, 14, 2]).data], 60).mask;
    expect(areas(watch, both)).toEqual([]);
    expect(watch.strays(both, [far])).toEqual(
      [[...both.data.keys()].filter((i) => scene([1, 14, 2]).data[i])].map((list) => expect.arrayContaining(list)),
    );
    // The object's own mask, and that of a piece of it, are none.
    expect(
      watch.strays(both, [candidateOf([...both.data], 60).mask, candidateOf([...scene([1, 2, 2]).data], 60).mask]),
    ).toEqual([]);
  });

  test('not: an object that moves, that is cut in two, or that is somewhere else as a whole', () => {
    expect(areas(watchOf(scene([1, 2, 2])), scene([1, 7, 4]))).toEqual([]);
    const wide = scene([1, 2, 2], [1, 10, 2], [1, 18, 2]);
    expect(areas(watchOf(wide), scene([1, 2, 2], [1, 18, 2]))).toEqual([]);
    expect(areas(watchOf(scene([1, 2, 2])), scene([1, 48, 10]))).toEqual([]);
    expect(areas(new StrayWatch(), scene([1, 2, 2], [1, 40, 8]))).toEqual([]);
  });

  test('not: what is near another object, or an id seen for the first time', () => {
    const watch = watchOf(scene([1, 2, 2], [2, 40, 8]));
    expect(areas(watch, scene([1, 2, 2], [2, 40, 8], [3, 20, 4]))).toEqual([]);
    // Object 1 where object 2 was is a stray all the same.
    expect(areas(watch, scene([1, 2, 2], [1, 40, 8]))).toEqual([64]);
  });
});
