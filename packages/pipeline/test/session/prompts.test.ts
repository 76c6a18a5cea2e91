import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeRle, type FrameSource, imageSource, type LabelMap, MemoryStorage } from '../../src/io/index.js';
import { SamTrack, Session, SharedTracker } from '../../src/session/index.js';
import { errorOf } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { ColourDetector, ColourSegmenter, plainPicture } from './assistants.js';
import { rectangles } from './scene.js';

/** Odd in both directions, and no multiple of anything. */
const SIZE = { width: 61, height: 47 };
const RED = 0xff0000;
const GREEN = 0x00ff00;
const picture = plainPicture(
  SIZE,
  [RED, 5, 5, 25, 25],
  [GREEN, 30, 5, 55, 20],
  [GREEN, 30, 25, 55, 45],
  [0x0000ff, 5, 30, 10, 35],
);
const red = rectangles(SIZE, [1, 5, 5, 25, 25]).data;

const segmenter = new ColourSegmenter();
let st: SamTrack;
let session: Session;
let source: FrameSource;
beforeAll(async () => {
  st = await SamTrack.load({ weights: DEAOT_T_WEIGHTS, segmenter, detector: new ColourDetector() });
  const entries = [0, 1, 2].map((i) => ({
    file: `${i}.png`,
    stem: String(i),
    load: async () => structuredClone(picture),
  }));
  source = await imageSource('plain', entries);
});
afterAll(async () => {
  await st.dispose();
  expect(segmenter.disposed).toBe(true);
});
beforeEach(async () => {
  session = await st.open(source);
  segmenter.shown.length = 0;
});

/** Which of a mask's ids are where an object of the picture is. */
const at = ({ data }: LabelMap, x: number, y: number) => data[y * SIZE.width + x]!;

describe('a prompt', () => {
  it('with points makes an object, corrects it, and names it', async () => {
    const { objects, mask } = await session.prompt({ frame: 0, object: 'dog', label: 'animal', points: [[10, 10]] });
    expect(objects).toEqual([{ id: 1, name: 'dog', label: 'animal', locked: false }]);
    expect(mask.data).toEqual(red);
    await session.prompt({
      frame: 0,
      object: 'dog',
      points: [
        [40, 10],
        [1, 1],
      ],
      labels: [1, 0],
    });
    expect(at((await session.mask(0))!, 10, 10)).toBe(0);
    expect(at((await session.mask(0))!, 40, 10)).toBe(1);
    await session.prompt({ frame: 0, object: 1, points: [[10, 10]], extend: true });
    expect(segmenter.shown.at(-1)).toEqual({
      points: [
        [40, 10],
        [1, 1],
        [10, 10],
      ],
      labels: [1, 0, 1],
    });
    await session.prompt({ frame: 0, object: 1, points: [[6, 6]], extend: true });
    expect(segmenter.shown.at(-1)!.points).toHaveLength(4);
    expect(session.objects).toHaveLength(1);
    expect((await session.prompt({ frame: 0, points: [[7, 32]] })).objects).toEqual([
      { id: 2, name: 'object 2', locked: false },
    ]);
  });

  it('is previewed without a trace, and listed once it is given', async () => {
    const [preview, ...more] = await session.preview({ frame: 0, points: [[10, 10]] });
    expect(more).toEqual([]);
    expect(Uint16Array.from(preview!)).toEqual(red);
    expect(session.canUndo).toBe(false);
    expect(await errorOf(() => session.preview({ frame: 0, points: [[99, 99]] }))).toMatchObject({
      code: 'bad-prompt',
    });
    await session.prompt({ frame: 1, points: [[10, 10]] });
    await session.prompt({ frame: 0, object: 1, points: [[6, 6]], labels: [1] });
    expect(session.annotations).toEqual([
      { frame: 0, object: 1, prompt: { points: [[6, 6]], labels: [1] } },
      { frame: 1, object: 1, prompt: { points: [[10, 10]], labels: [1] } },
    ]);
  });

  it('says that an object is not in a frame', async () => {
    await session.prompt({ frame: 0, points: [[10, 10]] });
    for await (const _ of session.propagate());
    const before = (await session.mask(2))!.data;
    expect(before).toContain(1);
    await session.erase(1, 1);
    expect((await session.mask(1))!.ids).toEqual([]);
    expect((await session.mask(0))!.data).toEqual(red);
    expect((await session.mask(2))!.data).toEqual(before);
    expect(session.affected().ranges).toEqual([[1, 3]]);
    expect(await errorOf(() => session.erase(1, 1))).toMatchObject({ code: 'nothing-found' });
    await session.lock(1);
    expect(await errorOf(() => session.erase(2, 1))).toMatchObject({ code: 'locked-object' });
    await session.unlock(1);
    for await (const _ of session.propagate());
    expect((await session.mask(1))!.ids).toEqual([]);
    while (session.references.length > 1) await session.undo();
    expect((await session.mask(1))!.ids).toEqual([1]);
  });

  it('with a box, several boxes, a stroke', async () => {
    await session.prompt({ frame: 0, box: [-3, 5, 25, 25] });
    expect(segmenter.shown).toEqual([{ box: [0, 5, 25, 25] }]);
    const { objects } = await session.prompt({
      frame: 0,
      boxes: [
        [30, 5, 55, 20],
        [5, 30, 10, 35],
      ],
    });
    expect(objects.map(({ id }) => id)).toEqual([2, 3]);
    await session.prompt({
      frame: 1,
      object: 3,
      boxes: [
        [5, 5, 25, 25],
        [5, 30, 10, 35],
      ],
    });
    const mask = (await session.mask(1))!;
    expect([at(mask, 10, 10), at(mask, 7, 32), mask.ids]).toEqual([3, 3, [3]]);
    const stroke = Array.from({ length: 40 }, (_, i): [number, number] => [31 + i / 2, 10]);
    await session.prompt({ frame: 2, stroke });
    expect(segmenter.shown.at(-1)).toEqual({ stroke });
    // Beside earlier points, some of it count as points.
    await session.prompt({ frame: 2, object: 4, points: [[40, 10]] });
    await session.prompt({ frame: 2, object: 4, stroke, extend: true });
    const { points, labels } = segmenter.shown.at(-1)!;
    expect([points!.length, labels!.length, points!.at(0), points!.at(-1)]).toEqual([17, 17, [40, 10], [50.5, 10]]);
  });

  it('with a mask, whose ids stay', async () => {
    const labels = rectangles(SIZE, [7, 0, 0, 9, 9], [300, 20, 20, 30, 30]);
    const { objects, mask } = await session.prompt({ frame: 0, mask: labels });
    expect(objects.map(({ id, name }) => [id, name])).toEqual([
      [7, 'object 7'],
      [300, 'object 300'],
    ]);
    expect(mask.data).toEqual(labels.data);
    expect((await session.prompt({ frame: 0, mask: encodeRle(red, SIZE.width, SIZE.height) })).objects[0]!.id).toBe(
      301,
    );
    const [png, again] = [await mask.toPalettePng(), rectangles(SIZE, [1, 0, 0, 9, 9])];
    // 16 bits, since 300 does not fit 8.
    expect(png[24]).toBe(16);
    await session.prompt({ frame: 1, object: 'whole', mask: again });
    expect((await session.mask(1))!.ids).toEqual([302]);
  });

  it('with polygons, of which inner ones are holes', async () => {
    const { mask } = await session.prompt({
      frame: 0,
      polygon: [
        [
          [10, 10],
          [40, 10],
          [40, 40],
          [10, 40],
        ],
        [
          [20, 20],
          [30, 20],
          [30, 30],
          [20, 30],
        ],
      ],
    });
    const expected = rectangles(SIZE, [1, 10, 10, 40, 40], [0, 20, 20, 30, 30]);
    expect(mask.data).toEqual(expected.data);
    const triangle = await session.prompt({
      frame: 1,
      polygon: [
        [0, 0],
        [61, 0],
        [0, 47],
      ],
    });
    const area = triangle.mask.data.reduce((sum, id) => sum + (id ? 1 : 0), 0);
    expect(Math.abs(area - (61 * 47) / 2)).toBeLessThan(30);
  });

  it('with a text, in all objects that fit it', async () => {
    const { objects } = await session.prompt({ frame: 0, text: 'green. blue' });
    expect(objects.map(({ name, label }) => [name, label])).toEqual(
      expect.arrayContaining([
        ['green', 'green'],
        ['green 2', 'green'],
        ['blue', 'blue'],
      ]),
    );
    expect((await session.prompt({ frame: 0, classes: ['red'], object: 'rose' })).objects).toHaveLength(1);
    const small = await session.prompt({ frame: 1, text: 'green. blue', maxBoxArea: 0.05 });
    expect(small.objects.map(({ label }) => label)).toEqual(['blue']);
  });

  it('unless its signal is aborted, also where the picture was looked at before', async () => {
    await session.prompt({ frame: 0, points: [[10, 10]] });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(session.prompt({ frame: 0, points: [[7, 32]], signal })).rejects.toThrow('enough');
    expect(session.objects).toHaveLength(1);
  });

  it('for everything that is new', async () => {
    await session.prompt({ frame: 0, points: [[10, 10]] });
    const { objects, mask } = await session.prompt({ frame: 0, everything: true });
    // The blue one is too small.
    expect(objects.map(({ id }) => id)).toEqual([2, 3]);
    expect([at(mask, 10, 10), at(mask, 7, 32)]).toEqual([1, 0]);
    expect((await session.prompt({ frame: 0, everything: true, minArea: 10 })).objects).toHaveLength(1);
  });

  it.each<[string, Parameters<Session['prompt']>[0], string, RegExp]>([
    ['no prompt', null as never, 'bad-prompt', /a prompt is an object.*not null/],
    // @ts-expect-error nothing is shown
    ['nothing', { frame: 0 }, 'bad-prompt', /one of points, box, boxes/],
    // @ts-expect-error a prompt is of one kind
    ['two kinds', { frame: 0, points: [[1, 1]], text: 'red' }, 'bad-prompt', /points and text exclude each other/],
    [
      'a field of another kind',
      // @ts-expect-error thresholds are the detector's
      { frame: 0, points: [[1, 1]], boxThreshold: 0.3 },
      'bad-prompt',
      /prompt in frame 0: boxThreshold goes with text or classes, not with points/,
    ],
    [
      'an unknown field',
      // @ts-expect-error misspelt
      { frame: 0, point: [[1, 1]] },
      'bad-prompt',
      /the field "point" is unknown; there are frame, .*points/,
    ],
    [
      'points that are no list of pairs',
      // @ts-expect-error one point is no list of points
      { frame: 0, points: [1, 1] },
      'bad-prompt',
      /points should be a list of \[x, y\]/,
    ],
    // @ts-expect-error a box has four numbers
    ['a box of two numbers', { frame: 0, box: [1, 2] }, 'bad-prompt', /a box should be \[x0, y0, x1, y1\]/],
    // @ts-expect-error a file's name is no mask
    ['a mask that is none', { frame: 0, mask: 'mask.png' }, 'bad-prompt', /mask should be a label map or run lengths/],
    // @ts-expect-error corners are pairs
    ['a polygon that is none', { frame: 0, polygon: [1, 2, 3] }, 'bad-prompt', /polygon should be a list of \[x, y\]/],
    // @ts-expect-error a text is one
    ['classes that are a text', { frame: 0, classes: 'red' }, 'bad-prompt', /classes should be a list of names/],
    // @ts-expect-error left out rather than false
    ['everything: false', { frame: 0, everything: false }, 'bad-prompt', /everything should be true, or its options/],
    ['no points', { frame: 0, points: [] }, 'bad-prompt', /no points/],
    ['a point outside', { frame: 0, points: [[61, 3]] }, 'bad-prompt', /point \(61, 3\) is outside of 61x47/],
    ['a point that is none', { frame: 0, points: [[Number.NaN, 3]] }, 'bad-prompt', /NaN/],
    ['labels that do not fit', { frame: 0, points: [[1, 1]], labels: [1, 0] }, 'bad-prompt', /2 labels for 1 points/],
    ['another label', { frame: 0, points: [[1, 1]], labels: [2] }, 'bad-prompt', /label 2/],
    ['an empty box', { frame: 0, box: [5, 5, 5, 9] }, 'bad-prompt', /box \(5, 5, 5, 9\)/],
    [
      'two corners',
      {
        frame: 0,
        polygon: [
          [0, 0],
          [9, 9],
        ],
      },
      'bad-prompt',
      /three corners/,
    ],
    ['an empty text', { frame: 0, text: ' ' }, 'bad-prompt', /text is empty/],
    ['a frame that is not there', { frame: 3, points: [[1, 1]] }, 'out-of-range', /plain has 3 frames, and no frame 3/],
    ['an unknown id', { frame: 0, object: 4, points: [[1, 1]] }, 'unknown-object', /no object 4/],
    ['background', { frame: 0, points: [[1, 1]] }, 'nothing-found', /colours finds no object there in frame 0/],
    ['a text that nothing fits', { frame: 0, text: 'unicorn' }, 'nothing-found', /"unicorn" is not found in frame 0/],
    ['a mask without objects', { frame: 0, mask: rectangles(SIZE) }, 'no-objects', /the mask has no objects/],
    [
      'a mask of another size',
      { frame: 0, mask: rectangles({ width: 9, height: 9 }, [1, 0, 0, 5, 5]) },
      'size-mismatch',
      /9x9/,
    ],
    [
      'a polygon between pixels',
      {
        frame: 0,
        polygon: [
          [1.1, 1.1],
          [1.2, 1.1],
          [1.1, 1.2],
        ],
      },
      'nothing-found',
      /no pixels/,
    ],
  ])('of %s is refused, and changes nothing', async (_, prompt, code, message) => {
    const error = await errorOf(() => session.prompt(prompt));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect([session.objects, session.canUndo]).toEqual([[], false]);
  });

  it('needs the model for it', async () => {
    const plain = await Session.open({
      source,
      shared: new SharedTracker(st.tracker),
      identity: {},
      storage: new MemoryStorage(),
    });
    expect(await errorOf(() => plain.prompt({ frame: 0, points: [[1, 1]] }))).toMatchObject({ code: 'no-segmenter' });
    expect(await errorOf(() => plain.prompt({ frame: 0, text: 'red' }))).toMatchObject({ code: 'no-detector' });
  });
});

describe('objects', () => {
  const both = rectangles(SIZE, [1, 5, 5, 25, 25], [2, 30, 5, 55, 45]);

  it('are renamed, coloured, locked', async () => {
    await session.prompt({ frame: 0, mask: both });
    await session.rename(1, 'left');
    await session.update('left', { colour: [1, 2, 3], label: 'box' });
    expect(session.object('left')).toEqual({ id: 1, name: 'left', label: 'box', colour: [1, 2, 3], locked: false });
    expect(await errorOf(() => session.rename(2, 'left'))).toMatchObject({ code: 'bad-option' });
    await session.lock('left');
    for (const refused of [
      () => session.remove(1),
      () => session.merge([1], 2),
      () => session.split(1, 0),
      () => session.prompt({ frame: 0, object: 1, points: [[40, 10]] }),
      () => session.clear(0, 1),
    ]) {
      expect(await errorOf(refused)).toMatchObject({ code: 'locked-object', message: 'object 1 ("left") is locked' });
    }
    // What is painted over it stays out of it.
    const { mask } = await session.prompt({
      frame: 0,
      object: 2,
      polygon: [
        [0, 0],
        [61, 0],
        [61, 47],
        [0, 47],
      ],
    });
    expect([at(mask, 10, 10), at(mask, 0, 0), at(mask, 40, 40)]).toEqual([1, 2, 2]);
    await session.unlock('left');
    await session.remove('left');
    expect((await session.mask(0))!.ids).toEqual([2]);
    // Its id is never given again.
    expect((await session.prompt({ frame: 0, points: [[10, 10]] })).objects[0]!.id).toBe(3);
  });

  it('are merged and split', async () => {
    await session.prompt({ frame: 0, mask: both });
    await session.merge([1], 2);
    expect(session.objects.map(({ id }) => id)).toEqual([2]);
    expect((await session.mask(0))!.data.filter(Boolean).length).toBe(both.data.filter(Boolean).length);
    const { objects, mask } = await session.split(2, 0);
    expect(objects.map(({ id }) => id)).toEqual([2, 3]);
    // The larger piece stays.
    expect([at(mask, 40, 10), at(mask, 10, 10)]).toEqual([2, 3]);
    const half = await session.split(2, 0, {
      polygon: [
        [30, 0],
        [55, 0],
        [55, 20],
        [30, 20],
      ],
    });
    expect([at(half.mask, 40, 10), at(half.mask, 40, 30)]).toEqual([4, 2]);
    expect(await errorOf(() => session.split(2, 0))).toMatchObject({ code: 'nothing-found' });
    expect(await errorOf(() => session.merge([2], 2))).toMatchObject({ code: 'bad-option' });
  });
});
