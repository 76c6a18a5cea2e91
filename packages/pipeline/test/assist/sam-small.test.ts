/** The segmenter that comes with samtrack, with its weights, on the CPU engine. */
import { initializeCpu, type OnnxEngine, shutdownCpu } from '@samtrack/onnx';
import { embeddedSegmenter } from '@samtrack/weights/node';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Point, type SegmentPrompt, SmallSegmenter } from '../../src/assist/index.js';
import { rleIou } from '../../src/discovery/index.js';
import { encodeRle, rleArea } from '../../src/io/index.js';
import { type Actor, COLOURS, frameOf, truthOf } from '../discovery/clip.js';
import { errorOf } from '../io/temporary.js';

/** Red and green discs that do not touch, and a small blue one. */
const ACTORS: readonly Actor[] = [
  { enters: 0, at: [60, 60], by: [0, 0], radius: 32, colour: COLOURS[0] },
  { enters: 0, at: [150, 80], by: [0, 0], radius: 24, colour: COLOURS[1] },
  { enters: 0, at: [215, 25], by: [0, 0], radius: 7, colour: COLOURS[2] },
];
const image = frameOf(ACTORS, 0);
const truth = truthOf(ACTORS, 0);
const maskOf = (...ids: number[]) =>
  encodeRle(
    Uint8Array.from(truth.data, (id) => (ids.includes(id) ? 1 : 0)),
    truth.width,
    truth.height,
  );
const boxOf = ({ at: [x, y], radius: r }: Actor) => [x - r, y - r, x + r + 1, y + r + 1] as const;

let engine: OnnxEngine;
let segmenter: SmallSegmenter;
let before: number;
beforeAll(async () => {
  engine = await initializeCpu();
  before = memory().numTensors;
  segmenter = new SmallSegmenter(embeddedSegmenter()!);
  await segmenter.setImage(image);
});
afterAll(async () => {
  segmenter.dispose();
  expect(memory().numTensors).toBe(before);
  await shutdownCpu(engine);
});

const best = async (prompt: SegmentPrompt, refine = true) => (await segmenter.predict(prompt, { refine }))[0]!;

it.each(ACTORS.map((actor, i) => [i + 1, actor] as const))('one click or a box gives disc %i', async (id, actor) => {
  const click = await best({ points: [actor.at] });
  expect(rleIou(click.mask, maskOf(id))).toBeGreaterThan(0.8);
  const box = await best({ box: boxOf(actor) });
  expect(rleIou(box.mask, maskOf(id))).toBeGreaterThan(0.8);
});

it('a stroke over a disc gives it', async () => {
  const stroke: Point[] = [
    [45, 50],
    [60, 60],
    [75, 70],
  ];
  expect(rleIou((await best({ stroke })).mask, maskOf(1))).toBeGreaterThan(0.8);
});

it('the second look is what finds the outline of small things', async () => {
  const [, , small] = ACTORS;
  const [once, twice] = [await best({ points: [small!.at] }, false), await best({ points: [small!.at] })];
  expect(rleIou(twice.mask, maskOf(3))).toBeGreaterThan(rleIou(once.mask, maskOf(3)));
});

it('clicks add and take away, and what they give does not depend on what was asked before', async () => {
  const points = [ACTORS[0]!.at, ACTORS[1]!.at];
  const both = await best({ points });
  expect(rleIou(both.mask, maskOf(1, 2))).toBeGreaterThan(0.8);
  const one = await best({ points, labels: [1, 0] });
  expect(rleIou(one.mask, maskOf(1))).toBeGreaterThan(0.8);
  const other = new SmallSegmenter(embeddedSegmenter()!);
  try {
    await other.setImage(image);
    expect((await other.predict({ points }))[0]).toEqual(both);
  } finally {
    other.dispose();
  }
});

it('goes on from a mask that is given', async () => {
  const { mask } = await best({ mask: maskOf(1), points: [ACTORS[0]!.at] });
  expect(rleIou(mask, maskOf(1))).toBeGreaterThan(0.8);
});

it('everything finds the discs, each once', async () => {
  const records = await segmenter.everything(image, { pointsPerSide: 6, cropNLayers: 0 });
  for (const id of [1, 2]) {
    expect(records.filter(({ mask }) => rleIou(mask, maskOf(id)) > 0.8)).toHaveLength(1);
  }
  expect(records.every(({ mask, area }) => rleArea(mask) === area)).toBe(true);
});

it('a click outside of the image is refused', async () => {
  for (const points of [[[250, 10]], [[-1, 10]], [[10, 137]]] as const) {
    expect((await errorOf(() => segmenter.predict({ points }))).message).toMatch(/outside the image of 240x136/);
  }
});
