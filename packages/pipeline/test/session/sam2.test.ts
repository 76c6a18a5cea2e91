/** SAM 2.1 as the tracker and the segmenter of a session, at a small size with procedural weights. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeRle, encodeRle, openCheckpoint, Sam2Model, Sam2Tracker } from '@samtrack/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { miniVideo } from '../../../models/test/sam2/mini.js';
import { SamSegmenter } from '../../src/assist/index.js';
import { loadSamPredictor } from '../../src/assist/load-predictor.js';
import { openExporters } from '../../src/export/index.js';
import { type FrameSource, imageSource, openOutputFolder, readMask } from '../../src/io/index.js';
import { SamTrack, type Session } from '../../src/session/index.js';
import { samtrack } from '../cli/run.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';
import { writeFrames, writeMask } from '../tracking/scene.js';
import { rectangles } from './scene.js';

const WEIGHTS = fileURLToPath(new URL('../../../models/test/fixtures/sam2/sam2-mini.manifest.json', import.meta.url));
const folder = temporaryFolder();
let video: Awaited<ReturnType<typeof miniVideo>>;
let source: FrameSource;
let st: SamTrack;
beforeAll(async () => {
  video = await miniVideo();
  const { width, height, frames } = video;
  const entries = frames.map((rgba, i) => ({
    file: `${i}.png`,
    stem: String(i),
    load: async () => ({ width, height, rgba: rgba.slice() }),
  }));
  source = await imageSource('mini', entries);
  st = await SamTrack.load({ tracker: 'sam2.1-tiny', weights: WEIGHTS });
});
afterAll(() => st.dispose());

async function run(session: Session, options: Parameters<Session['propagate']>[0]): Promise<number[]> {
  const frames: number[] = [];
  for await (const { frame } of session.propagate(options)) frames.push(frame);
  return frames;
}

const pixelsOf = async (session: Session, frame: number, id: number) =>
  (await session.mask(frame))!.data.filter((label) => label === id).length;

describe('a session with SAM 2.1', { timeout: 600_000 }, () => {
  it('takes points on two frames, a late object, a correction and an undo, and is saved, loaded and exported', async () => {
    const project = join(folder, 'mini.samtrack');
    const session = await st.open(source, { project });
    await session.prompt({ frame: 0, object: 'one', points: [[52, 40]] });
    expect(await run(session, { to: 6 })).toEqual([0, 1, 2, 3, 4, 5]);
    // The same object on another frame, and one that comes in there.
    await session.prompt({ frame: 3, object: 'one', points: [[60, 44]] });
    await session.prompt({ frame: 3, object: 'late', box: [80, 10, 120, 60] });
    const late = session.objects.find(({ name }) => name === 'late')!.id;
    const before = (await session.mask(2))!.data;
    await run(session, { from: 3, to: 6 });
    expect((await session.mask(2))!.data).toEqual(before);
    expect(await pixelsOf(session, 3, late)).toBeGreaterThan(0);
    const corrected = (await session.mask(4))!.data.slice();
    // A correction is not lost where the next propagation passes it.
    const mask = rectangles(video, [1, 20, 20, 50, 60]);
    await session.prompt({ frame: 4, object: 'one', mask });
    await run(session, { from: 3, to: 6 });
    const shown = (await session.mask(4))!.data;
    expect(mask.data.every((label, i) => label === 0 || shown[i] === 1)).toBe(true);
    await session.undo();
    await session.undo();
    expect((await session.mask(4))!.data).toEqual(corrected);
    await session.redo();
    await session.redo();
    const masks = await Promise.all([0, 1, 2, 3, 4, 5].map(async (frame) => (await session.mask(frame))?.data));
    await session.close();

    const again = await st.open(source, { project });
    expect(again.objects.map(({ name }) => name)).toEqual(['one', 'late']);
    for (const [frame, data] of masks.entries()) expect((await again.mask(frame))?.data).toEqual(data);
    const [exporter] = await openExporters(['mots'], {
      folder: openOutputFolder(join(folder, 'exported')),
      source,
    });
    for await (const frame of source.frames({ to: 6 })) await exporter!.add(frame, (await again.mask(frame.index))!);
    expect(await exporter!.finish()).toBe(true);
    expect(readFileSync(join(folder, 'exported', exporter!.path), 'utf8').split('\n').length).toBeGreaterThan(1);
    await again.close();
  });

  it('sees a click on a later frame with what it remembers of the object, and stores what that gives', async () => {
    const { width, height, frames } = video;
    const session = await st.open(source);
    await session.prompt({ frame: 0, object: 'one', mask: rectangles(video, [1, 40, 30, 80, 70]) });
    await run(session, { to: 5 });
    const dataOf = async (frame: number) => (await session.mask(frame))!.data;
    const click = { points: [[60, 44]], labels: [1] } as const;
    const shown = { frame: 3, object: 'one', ...click };
    const [pixels] = await session.preview(shown);

    const checkpoint = await openCheckpoint(WEIGHTS);
    const model = await Sam2Model.load(checkpoint);
    await checkpoint.close();
    const tracker = new Sam2Tracker(model, { width, height });
    await tracker.addReference(0, frames[0]!, await dataOf(0), 1);
    await tracker.recall(2, frames[2]!, await dataOf(2));
    expect(pixels).toEqual(Uint8Array.from(await tracker.prompt(3, frames[3]!, 1, click)));
    tracker.dispose();
    model.dispose();
    const segmenter = new SamSegmenter(WEIGHTS);
    await segmenter.setImage({ width, height, rgba: frames[3]! });
    const [fresh] = await segmenter.predict(click);
    expect(decodeRle(fresh!.mask)).not.toEqual(pixels);
    segmenter.dispose();

    const before = (await dataOf(3)).slice();
    await session.prompt(shown);
    expect(Uint8Array.from(await dataOf(3))).toEqual(pixels);
    expect(await run(session, { from: 3, to: 5 })).toEqual([3, 4]);
    const after = (await dataOf(4)).slice();
    await session.undo();
    await session.undo();
    expect(await dataOf(3)).toEqual(before);
    await session.redo();
    await session.redo();
    expect(await dataOf(4)).toEqual(after);
    // One that is new is known from nowhere else.
    expect(await session.preview({ frame: 3, points: click.points })).not.toEqual([pixels]);
    await session.close();
  });

  it('refuses prompts that contradict themselves, and such for locked objects', async () => {
    const session = await st.open(source);
    const points = [
      [50, 40],
      [50, 40],
    ] as const;
    const contradiction = session.prompt({ frame: 0, object: 'one', points, labels: [1, 0] });
    expect(await errorOf(() => contradiction)).toMatchObject({
      code: 'prompt',
      message: /both on the object and beside/,
    });
    await session.prompt({ frame: 0, object: 'one', mask: rectangles(video, [1, 40, 30, 80, 70]) });
    await session.lock('one');
    const locked = session.prompt({ frame: 0, object: 'one', points: [[50, 40]] });
    expect(await errorOf(() => locked)).toMatchObject({ code: 'locked-object' });
    await session.close();
  });

  it('shows a mask to the network where it lies in the squeezed image', async () => {
    const { width, height, frames } = video;
    const predictor = await loadSamPredictor(WEIGHTS, {});
    const { lowRes } = predictor.model;
    const image = { width, height, rgba: frames[0]! };
    const logits = Float32Array.from({ length: lowRes ** 2 }, (_, i) => (Math.floor(i / lowRes) < lowRes / 2 ? 8 : -8));
    await predictor.setImage({ width, height, data: frames[0]! });
    const shown = { points: [[50, 40]] as const, labels: [1] };
    const [expected] = await predictor.predict({ ...shown, mask: logits }, { refine: false });
    predictor.dispose();
    predictor.model.dispose();
    const segmenter = new SamSegmenter(WEIGHTS);
    await segmenter.setImage(image);
    const upper = Uint8Array.from({ length: width * height }, (_, i) => (i < (width * height) / 2 ? 1 : 0));
    const [found] = await segmenter.predict({ ...shown, mask: encodeRle(upper, width, height) }, { refine: false });
    expect(found!.score).toBeCloseTo(expected!.predictedIou, 5);
    segmenter.dispose();
  });

  it('shows how probable it is that an object is there', async () => {
    const session = await st.open(source);
    await session.prompt({ frame: 0, object: 'one', mask: rectangles(video, [1, 40, 30, 80, 70]) });
    await run(session, { to: 4 });
    const timeline = session.timeline();
    expect(timeline).toHaveLength(4);
    for (const { objects, reference } of timeline.slice(1)) {
      expect(reference).toBe(false);
      for (const { certainty } of objects.values()) {
        expect(certainty).toBeGreaterThanOrEqual(0);
        expect(certainty).toBeLessThanOrEqual(1);
      }
    }
    await session.close();
  });

  it('keeps a promise of memory, or says what would be enough', async () => {
    const session = await st.open(source, { memoryMB: 40 });
    await session.prompt({ frame: 0, object: 'one', mask: rectangles(video, [1, 40, 30, 80, 70]) });
    expect(await errorOf(() => run(session, { to: 3 }))).toMatchObject({ name: 'OutOfBudgetError' });
    await session.close();
  });
});

describe('samtrack track --tracker', () => {
  const SIZE = { width: 64, height: 48 };
  const at = (...parts: string[]) => join(folder, ...parts);

  it('tracks with a model of SAM 2.1', async () => {
    writeFrames(at('frames'), 4, SIZE);
    writeMask(at('mask.png'), rectangles(SIZE, [1, 4, 10, 24, 40], [2, 40, 10, 60, 40]));
    const options = ['--tracker', 'sam2.1-tiny', '--weights', WEIGHTS, '--no-overlay', '--no-coco'];
    const { status, err } = await samtrack([
      'track',
      at('frames'),
      '--mask',
      at('mask.png'),
      ...options,
      '--out',
      at('out'),
    ]);
    expect(err).not.toMatch(/error/i);
    expect(status).toBe(0);
    expect(readdirSync(at('out', 'masks'))).toHaveLength(4);
  });

  it('tracks with weights that are stored as float16, which changes hardly a pixel', async () => {
    const half = at('half.safetensors');
    expect(await samtrack(['weights', 'convert', WEIGHTS, '--dtype', 'f16', '--out', half])).toMatchObject({
      status: 0,
    });
    const inputs = ['track', at('frames'), '--mask', at('mask.png'), '--tracker', 'sam2.1-tiny'];
    const options = ['--weights', half, '--no-overlay', '--no-coco', '--out', at('out16')];
    const { status, err } = await samtrack([...inputs, ...options]);
    expect(status, err).toBe(0);
    const masks = readdirSync(at('out', 'masks'));
    const [whole, rounded] = await Promise.all(
      ['out', 'out16'].map(async (run) => {
        const frames = await Promise.all(masks.map((name) => readMask(at(run, 'masks', name))));
        return frames.flatMap(({ data }) => [...data]);
      }),
    );
    const changed = whole!.filter((id, i) => id !== rounded![i]).length;
    expect(changed / whole!.length).toBeLessThan(0.01);
  });

  it.each<[string[], RegExp]>([
    [['--tracker', 'sam2.1-tiny', '--model', 'deaot-t'], /model deaot-t are two models/],
    [['--tracker', 'sam2.1-tiny', '--long-term-gap', '3'], /--long-term-gap is for --tracker deaot/],
    [
      ['--tracker', 'sam2.1-tiny'],
      /no weights of sam2.1-tiny come with samtrack: run `samtrack weights pull sam2.1-tiny`/,
    ],
    [['--tracker', 'sam3'], /--tracker is one of deaot, propagation, sam2/],
  ])('%j says what is wrong', async (options, message) => {
    const { status, err } = await samtrack([
      'track',
      at('frames'),
      '--mask',
      at('mask.png'),
      ...options,
      '--out',
      at('no'),
    ]);
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(existsSync(at('no'))).toBe(false);
  });

  it('tracks what points show, with no segmenter beside the tracker', async () => {
    const options = ['--tracker', 'sam2.1-tiny', '--weights', WEIGHTS, '--no-overlay', '--no-coco', '--point', '30,24'];
    const { status, err } = await samtrack(['track', at('frames'), ...options, '--out', at('clicked')]);
    expect(status, err).toBe(0);
    expect(err).toMatch(/1 object/);
    expect(readdirSync(at('clicked', 'masks'))).toHaveLength(4);
  });

  it('refuses a side that the network cannot have', async () => {
    const options = ['--tracker', 'sam2.1-tiny', '--weights', WEIGHTS, '--long-edge', '500'];
    const { status, err } = await samtrack([
      'track',
      at('frames'),
      '--mask',
      at('mask.png'),
      ...options,
      '--out',
      at('no'),
    ]);
    expect(status).toBe(1);
    expect(err).toMatch(/500.*multiple of 32/);
  });
});
