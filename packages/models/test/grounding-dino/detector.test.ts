import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DetectorError, GroundingDetector } from '../../src/grounding-dino/detector.js';
import { CaptionError } from '../../src/grounding-dino/text/index.js';
import { ImageError } from '../../src/image/index.js';
import { FakeNetwork, type FakeQuery } from './fake-network.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => {
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

const [width, height] = [40, 20];
const picture = (shade = 0) => ({ width, height, data: new Uint8Array(width * height * 3).fill(shade) });
/** Short sides as they are: nothing is resized. */
const options = { shortEdge: 20 };

/** A detector of the queries, asked once. */
async function ask(queries: FakeQuery[], wanted: Parameters<GroundingDetector['detect']>[1]) {
  const detector = new GroundingDetector(new FakeNetwork(queries), options);
  const result = await detector.detect(picture(), wanted);
  detector.dispose();
  return result.detections;
}

describe('detections of a caption', () => {
  it('have a score, a phrase, and a box in pixels, best first', async () => {
    const found = await ask(
      [
        { fits: { cat: 0.36, red: 0.3 }, box: [0.5, 0.5, 0.5, 0.2] },
        { fits: { dog: 0.9 }, box: [0.1, 0.5, 0.5, 1] },
        { fits: { cat: 0.34 } },
      ],
      { text: 'A red Cat. dog' },
    );
    expect(found.map(({ phrase, query, caption }) => ({ phrase, query, caption }))).toEqual([
      { phrase: 'dog', query: 1, caption: 0 },
      { phrase: 'red cat', query: 0, caption: 0 },
    ]);
    expect(found.map(({ score }) => score)).toEqual([0.9, 0.36].map((p) => expect.closeTo(p, 6)));
    // Beyond the left edge: nothing is clipped.
    for (const [i, corners] of [
      [-6, 0, 14, 20],
      [10, 8, 30, 12],
    ].entries()) {
      for (const [c, corner] of corners.entries()) expect(found[i]!.box[c]).toBeCloseTo(corner, 5);
    }
  });

  it('are none at all where nothing is found', async () => {
    const network = new FakeNetwork([{ fits: {} }]);
    const detector = new GroundingDetector(network, options);
    expect(await detector.detect(picture(), { text: 'cat' })).toEqual({
      detections: [],
      captions: [{ text: 'cat.', cut: 0 }],
    });
    network.queries = [];
    expect((await detector.detect(picture(), { text: 'cat' })).detections).toEqual([]);
    detector.dispose();
  });

  it('follow the thresholds, which are exclusive', async () => {
    const queries: FakeQuery[] = [{ fits: { cat: 0.5, red: 0.4 } }];
    const phrases = async (boxThreshold: number, textThreshold: number) =>
      (await ask(queries, { text: 'red cat', boxThreshold, textThreshold })).map(({ phrase }) => phrase);
    expect(await phrases(0.4, 0.3)).toEqual(['red cat']);
    expect(await phrases(0.4, 0.4001)).toEqual(['cat']);
    // A box without a word: it passed its threshold, no token did.
    expect(await phrases(0.4, 0.6)).toEqual(['']);
    expect(await phrases(0.5, 0.3)).toEqual([]);
    expect(await phrases(0, 0)).toHaveLength(1);
    expect(await phrases(1, 0)).toEqual([]);
  });

  it('take words from several sub-sentences unless told not to combine them', async () => {
    // [CLS] a cat . red dog . [SEP]
    const text = 'a cat . red dog .';
    const both = [{ fits: { cat: 0.6, dog: 0.5, red: 0.3, '.': 0.4 } }];
    expect((await ask(both, { text }))[0]!.phrase).toBe('cat red dog');
    expect((await ask(both, { text, removeCombined: true }))[0]!.phrase).toBe('cat');
    const second = [{ fits: { cat: 0.5, dog: 0.6, red: 0.3, a: 0.1 } }];
    expect((await ask(second, { text, removeCombined: true }))[0]!.phrase).toBe('red dog');
    // The best token is a full stop: the sub-sentence before it. It is [CLS]: none.
    expect((await ask([{ fits: { 3: 0.9, cat: 0.5, dog: 0.5 } }], { text, removeCombined: true }))[0]!.phrase).toBe(
      'cat',
    );
    expect((await ask([{ fits: { 0: 0.9, cat: 0.5 } }], { text, removeCombined: true }))[0]!.phrase).toBe('');
  });

  it('have [SEP] in their phrase where it fits, but never [CLS] or the 256th token', async () => {
    expect((await ask([{ fits: { 0: 0.9, 3: 0.6, cat: 0.5 } }], { text: 'cat' }))[0]!.phrase).toBe('cat [SEP]');
    const long = `${'dog '.repeat(253)}cat`;
    const found = await ask([{ fits: { 254: 0.5, 255: 0.9 } }], { text: long, removeCombined: true });
    expect(found.map(({ phrase, score }) => [phrase, score])).toEqual([['cat', expect.closeTo(0.9)]]);
  });

  it('keep to the last sub-sentence also where its full stop was cut off', async () => {
    const text = `cat. ${'dog '.repeat(300)}`;
    const found = await ask([{ fits: { 254: 0.5, 255: 0.9, cat: 0.6 } }], { text, removeCombined: true });
    // The 256th token belongs to it here, and only here.
    expect(found[0]!.phrase).toBe('dog dog');
    expect((await ask([{ fits: { 254: 0.5, 255: 0.9, cat: 0.6 } }], { text }))[0]!.phrase).toBe('cat dog');
  });

  it('say how much of the caption was cut off', async () => {
    const detector = new GroundingDetector(new FakeNetwork(), options);
    const { captions } = await detector.detect(picture(), { text: 'dog '.repeat(300) });
    expect(captions).toEqual([{ text: expect.stringMatching(/^dog dog .* dog\.$/), cut: 300 + 3 - 256 }]);
    detector.dispose();
  });
});

describe('detections of classes', () => {
  it('name the first class that their phrase contains', async () => {
    const queries: FakeQuery[] = [
      { fits: { cat: 0.9 } },
      { fits: { remote: 0.8, control: 0.7 } },
      { fits: { control: 0.6 } },
      { fits: { shirt: 0.55, t: 0.5, '-': 0.5 } },
      { fits: { cat: 0.45, remote: 0.45, control: 0.4 } },
    ];
    const found = await ask(queries, { classes: ['Remote control', 'cat', 'T-shirt'] });
    expect(found.map(({ phrase, index }) => [phrase, index])).toEqual([
      ['cat', 1],
      ['remote control', 0],
      ['control', undefined],
      ['t - shirt', 2],
      ['remote control cat', 0],
    ]);
    expect('index' in found[2]!).toBe(false);
  });

  it('have a score for each class where that is asked for', async () => {
    const queries: FakeQuery[] = [{ fits: { remote: 0.8, control: 0.4, cat: 0.7 } }, { fits: { cat: 0.2 } }];
    const wanted = { classes: ['cat', 'remote control'], scoring: 'span' } as const;
    const found = await ask(queries, { ...wanted, boxThreshold: 0.1 });
    expect(found.map(({ query, index, phrase, score }) => [query, index, phrase, score])).toEqual([
      [0, 0, 'cat', expect.closeTo(0.7, 5)],
      [0, 1, 'remote control', expect.closeTo(0.6, 5)],
      [1, 0, 'cat', expect.closeTo(0.2, 5)],
    ]);
    // All pairs, and the best of them, as in the evaluation on COCO.
    expect(await ask(queries, { ...wanted, boxThreshold: 0 })).toHaveLength(4);
    expect((await ask(queries, { ...wanted, boxThreshold: 0, limit: 2 })).map(({ index }) => index)).toEqual([0, 1]);
  });

  it('come from several captions where one does not hold all classes', async () => {
    const classes = [...Array.from({ length: 140 }, (_, i) => `dog${i}`), 'zebra'];
    const network = new FakeNetwork([{ fits: { zebra: 0.9 } }]);
    const detector = new GroundingDetector(network, options);
    const { detections, captions } = await detector.detect(picture(), { classes });
    expect(captions.length).toBe(network.captions.length);
    expect(captions.length).toBeGreaterThan(1);
    expect(detections.map(({ index, caption }) => [index, caption])).toEqual([[140, captions.length - 1]]);
    expect(network.images.length).toBe(1);
    detector.dispose();
  });
});

describe('detections of phrases', () => {
  it('have the mean of their tokens as score, and a query may have several', async () => {
    const text = 'There is a Cat and a red dog';
    const at = (word: string) => [text.indexOf(word), text.indexOf(word) + word.length] as const;
    const phrases = [[at('a Cat')], [at('red'), at('dog')]];
    const found = await ask([{ fits: { a: 0.4, cat: 0.8, red: 0.9, dog: 0.9 } }, { fits: { dog: 0.6 } }], {
      text,
      phrases,
    });
    expect(found.map(({ query, phrase, index, score }) => [query, phrase, index, score])).toEqual([
      [0, 'red dog', 1, expect.closeTo(0.9, 5)],
      [0, 'a cat', 0, expect.closeTo(0.6, 5)],
    ]);
  });
});

describe('what is left out', () => {
  const queries: FakeQuery[] = [
    { fits: { cat: 0.9 }, box: [0.5, 0.5, 0.5, 0.5] },
    { fits: { cat: 0.8 }, box: [0.51, 0.5, 0.5, 0.5] },
    { fits: { dog: 0.7 }, box: [0.5, 0.5, 1.2, 1.2] },
    { fits: { dog: 0.6 }, box: [0.1, 0.1, 0.1, 0.1] },
  ];
  const kept = async (more: object) => (await ask(queries, { text: 'cat. dog', ...more })).map(({ query }) => query);

  it('is nothing by default', async () => expect(await kept({})).toEqual([0, 1, 2, 3]));
  it('are overlapping boxes, on demand', async () => expect(await kept({ nms: 0.8 })).toEqual([0, 2, 3]));
  it('are boxes that cover too much, on demand', async () => {
    expect(await kept({ maxBoxShare: 0.9 })).toEqual([0, 1, 3]);
    expect(await kept({ maxBoxShare: 0.1 })).toEqual([3]);
    // Only what lies within the picture counts.
    expect(await kept({ maxBoxShare: 1 })).toEqual([0, 1, 2, 3]);
  });
  it('are all but the best, on demand', async () => expect(await kept({ limit: 2 })).toEqual([0, 1]));
});

describe('features', () => {
  it('of a picture are computed once for many captions, those of a caption once for many pictures', async () => {
    const network = new FakeNetwork([{ fits: { cat: 0.9 } }]);
    const detector = new GroundingDetector(network, options);
    const same = picture(1);
    await detector.detect(same, { text: 'cat' });
    await detector.detect(same, { text: 'dog' });
    await detector.detect(picture(1), { text: 'Cat.' });
    expect([network.images.length, network.captions]).toEqual([1, ['cat.', 'dog.']]);
    await detector.detect(picture(2), { text: 'dog' });
    expect([network.images.length, network.captions.length]).toEqual([2, 2]);
    // A buffer that is used again for the next frame is another picture.
    same.data.fill(3);
    await detector.detect(same, { text: 'dog' });
    expect(network.images.length).toBe(3);
    expect(network.images[0]).toEqual([height, width, 4]);
    detector.dispose();
  });

  it('are bounded, and freed with the detector', async () => {
    const network = new FakeNetwork([{ fits: {} }]);
    const detector = new GroundingDetector(network, { ...options, cachedImages: 2, cachedCaptions: 3 });
    for (let i = 0; i < 6; i++) await detector.detect(picture(i), { text: `cat${i}` });
    expect(network.held).toBe(5);
    // The last two pictures are there, the one before is not.
    await detector.detect(picture(4), { text: 'cat5' });
    expect(network.images.length).toBe(6);
    await detector.detect(picture(3), { text: 'cat5' });
    expect(network.images.length).toBe(7);
    detector.dispose();
    detector.dispose();
    await Promise.resolve();
    await expect(detector.detect(picture(), { text: 'cat' })).rejects.toThrow(
      expect.objectContaining({ code: 'disposed' }),
    );
    expect(network.held).toBe(0);
  });

  it('stay while a request needs them: requests wait for each other', async () => {
    const network = new FakeNetwork([{ fits: { cat: 0.9 } }]);
    let running = 0;
    network.onDetect = async () => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(network.held).toBe(2);
      running--;
    };
    const detector = new GroundingDetector(network, { ...options, cachedCaptions: 1 });
    const answers = [0, 1, 2].map((i) => detector.detect(picture(i), { text: `cat ${i}` }));
    detector.dispose();
    expect((await Promise.all(answers)).map(({ detections }) => detections.length)).toEqual([1, 1, 1]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(network.held).toBe(0);
  });
});

describe('a request', () => {
  it('tells how far it is', async () => {
    const detector = new GroundingDetector(new FakeNetwork(), options);
    const fractions: number[] = [];
    await detector.detect(picture(), { text: 'cat', onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions).toEqual([1 / 3, 2 / 3, 1]);
    detector.dispose();
  });

  it('can be stopped, and the next one goes on', async () => {
    const network = new FakeNetwork([{ fits: { cat: 0.9 } }]);
    const detector = new GroundingDetector(network, options);
    const controller = new AbortController();
    network.onDetect = () => controller.abort(new Error('enough'));
    const classes = Array.from({ length: 300 }, () => 'cat');
    await expect(detector.detect(picture(), { classes, signal: controller.signal })).rejects.toThrow('enough');
    expect(network.runs).toBe(1);
    await expect(detector.detect(picture(), { text: 'cat', signal: controller.signal })).rejects.toThrow('enough');
    expect(network.runs).toBe(1);
    expect((await detector.detect(picture(), { text: 'cat' })).detections).toHaveLength(1);
    detector.dispose();
  });

  it.each([
    ['an empty caption', { text: ' . ' }, CaptionError, /nothing to look for/],
    ['no classes', { classes: [] }, CaptionError, /no classes/],
    ['a threshold beyond 1', { text: 'cat', boxThreshold: 1.5 }, DetectorError, /boxThreshold .* 1\.5/],
    ['a threshold that is no number', { text: 'cat', textThreshold: Number.NaN }, DetectorError, /textThreshold/],
    ['a limit of 0', { text: 'cat', limit: 0 }, DetectorError, /limit/],
  ] as const)('refuses %s', async (_, wanted, type, message) => {
    const asked = ask([], wanted);
    await expect(asked).rejects.toThrow(type);
    await expect(asked).rejects.toThrow(message);
  });

  it('refuses a picture that is none, and a network that computes no numbers', async () => {
    const network = new FakeNetwork([{ fits: { cat: Number.NaN } }]);
    const detector = new GroundingDetector(network, options);
    await expect(detector.detect({ width, height, data: new Uint8Array(7) }, { text: 'cat' })).rejects.toThrow(
      ImageError,
    );
    await expect(detector.detect(picture(), { text: 'cat' })).rejects.toThrow(
      expect.objectContaining({ constructor: DetectorError, code: 'not-finite' }),
    );
    detector.dispose();
  });
});
