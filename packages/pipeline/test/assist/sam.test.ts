import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getRuntime } from '@samtrack/kernels';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { steepSamManifest } from '../../../models/test/fixtures/sam/manifest.js';
import { SamSegmenter } from '../../src/assist/index.js';
import { labelIds, rleArea } from '../../src/io/index.js';
import { SamTrack, type Session } from '../../src/session/index.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';
import { WaveSource } from '../session/scene.js';
import { DEAOT_T_WEIGHTS, makeFrame } from '../tracking/scene.js';

const SIZE = { width: 65, height: 49 };
const weights = join(temporaryFolder(), 'sam.manifest.json');
writeFileSync(weights, JSON.stringify(steepSamManifest()));
let segmenter: SamSegmenter;
let st: SamTrack;
let session: Session;
const progress: number[] = [];
const lost: string[] = [];
beforeAll(async () => {
  segmenter = new SamSegmenter(weights, { onProgress: ({ bytes, total }) => progress.push(bytes / total!) });
  st = await SamTrack.load({
    engine: 'webgpu',
    weights: DEAOT_T_WEIGHTS,
    segmenter,
    onDeviceLost: (message) => lost.push(message),
  });
  session = await st.open(new WaveSource(4, SIZE));
});
afterAll(async () => {
  await st.dispose();
  expect((await errorOf(() => segmenter.predict({ points: [[1, 1]] }))).message).toMatch(/disposed/);
});

const point = [20, 20] as const;

it('reads its weights when it is first asked, and gives the best mask first', async () => {
  expect(progress).toEqual([]);
  await segmenter.setImage(makeFrame(0, SIZE));
  expect(progress.at(-1)).toBe(1);
  for (const prompt of [{ points: [point] }, { box: [10, 10, 40, 40] }, { stroke: [point, [30, 25]] }] as const) {
    const candidates = await segmenter.predict(prompt);
    expect(candidates.length).toBeGreaterThanOrEqual(3);
    expect(candidates[0]!.mask.size).toEqual([49, 65]);
    if (!('stroke' in prompt)) {
      const scores = candidates.map(({ score }) => score);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
    }
  }
  const [once] = await segmenter.predict({ points: [point] }, { refine: false });
  const [twice] = await segmenter.predict({ points: [point] });
  expect(once!.score).not.toBe(twice!.score);
  // A mask is looked at.
  const whole = { size: [49, 65] as [number, number], counts: [0, 49 * 65] };
  const [shown] = await segmenter.predict({ points: [point], mask: whole }, { refine: false });
  expect(shown!.score).not.toBe(once!.score);
});

it('serves a session, whose masks are then stored', async () => {
  const { mask } = await session.prompt({ frame: 0, object: 'thing', points: [point] });
  await segmenter.setImage(makeFrame(0, SIZE));
  const [best] = await segmenter.predict({ points: [point], labels: [1] });
  expect(mask.data.filter(Boolean).length).toBe(rleArea(best!.mask));
  for await (const { frame } of session.propagate()) expect(frame).toBeLessThan(4);
});

it('is told by its checkpoint, or by its name if it was downloaded', async () => {
  vi.stubEnv('SAMTRACK_CACHE', temporaryFolder());
  expect(await errorOf(() => SamTrack.load({ weights: DEAOT_T_WEIGHTS, segmenter: 'mobile-sam' }))).toMatchObject({
    code: 'no-weights',
    message: expect.stringMatching(/no checkpoint of mobile-sam here: run `samtrack weights pull mobile-sam`/),
  });
  vi.unstubAllEnvs();
});

it('finds everything, in descending quality', async () => {
  const records = await segmenter.everything(makeFrame(0, SIZE), {
    pointsPerSide: 4,
    cropNLayers: 0,
    predIouThresh: 0.5,
    stabilityScoreThresh: 0.5,
    minMaskRegionArea: 0,
  });
  expect(records.length).toBeGreaterThan(0);
  for (const { mask, area, bbox, score, stability } of records) {
    expect(area).toBe(rleArea(mask));
    expect(bbox[0] + bbox[2]).toBeLessThanOrEqual(SIZE.width);
    expect(score).toBeGreaterThan(0.5);
    expect(stability).toBeGreaterThanOrEqual(0.5);
  }
  const scores = records.map(({ score }) => score);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
});

it('comes back after the GPU was lost', async () => {
  const before = (await session.prompt({ frame: 1, object: 'thing', points: [point] })).mask;
  getRuntime().device.destroy();
  await new Promise((resolve) => setTimeout(resolve, 10));
  for await (const { frame, mask } of session.propagate())
    if (frame === 3) expect(labelIds(mask).length).toBeGreaterThanOrEqual(0);
  expect(lost).toHaveLength(1);
  await session.undo();
  const again = await session.prompt({ frame: 1, object: 'thing', points: [point] });
  expect(again.mask.data).toEqual(before.data);
});
