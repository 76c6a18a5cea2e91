/**
 * The published SAM 2.1 against what its port to Hugging Face transformers was published with (`test_modeling_sam2.py`,
 * `test_modeling_sam2_video.py`), and on the bundled clip. Runs when the files are there:
 *
 *     SAMTRACK_WEIGHTS=~/.cache/samtrack/weights SAMTRACK_SAM2_IMAGES=FOLDER npx vitest run sam2-published
 *
 * `SAMTRACK_WEIGHTS` is a folder with `sam2.1_hiera_tiny.pt` and so on (`samtrack weights pull sam2.1-tiny`), the other one has `truck.jpg`
 * and `car.png` of https://huggingface.co/datasets/hf-internal-testing/sam2-fixtures.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialize, shutdown } from '@samtrack/kernels';
import { openCheckpoint, Sam2Model, type Sam2Name, Sam2PromptModel, SamPredictor } from '@samtrack/models';
import { describe, expect, it } from 'vitest';
import { type LabelMap, openSource, readMask } from '../../src/io/index.js';
import { scoreMask } from '../../src/metrics/jf.js';
import { VideoTracker } from '../../src/tracking/index.js';
import { track } from '../../src/tracking/track.js';

const weights = process.env['SAMTRACK_WEIGHTS'];
const images = process.env['SAMTRACK_SAM2_IMAGES'];
const demo = (name: string) => fileURLToPath(new URL(`../../../../demo/${name}`, import.meta.url));

/** File, and the predicted IoUs of a point's three masks in `car.png`. */
const MODELS: readonly [model: Sam2Name, file: string, ious: readonly number[]][] = [
  ['sam2.1-tiny', 'sam2.1_hiera_tiny.pt', [0.0316, 0.9647, 0.1029]],
  ['sam2.1-small', 'sam2.1_hiera_small.pt', [0.9664, 0.1494, 0.0456]],
  ['sam2.1-base-plus', 'sam2.1_hiera_base_plus.pt', [0.0361, 0.9775, 0.1307]],
  ['sam2.1-large', 'sam2.1_hiera_large.pt', [0.9648, 0.0371, 0.1898]],
];

/** Why nothing is tested. */
function lacking(file: string, image?: string): string | undefined {
  if (!weights) return 'SAMTRACK_WEIGHTS names no folder';
  if (!existsSync(join(weights, file))) return 'not in SAMTRACK_WEIGHTS';
  if (image && !(images && existsSync(join(images, image)))) return `SAMTRACK_SAM2_IMAGES has no ${image}`;
  return undefined;
}

async function readImage(name: string) {
  const source = await openSource(join(images!, name));
  try {
    for await (const { width, height, rgba: data } of source) return { width, height, data };
    throw new Error('no image');
  } finally {
    await source.close();
  }
}

async function predictorOf(file: string) {
  const checkpoint = await openCheckpoint(join(weights!, file));
  try {
    return new SamPredictor(new Sam2PromptModel(await Sam2Model.load(checkpoint)));
  } finally {
    await checkpoint.close();
  }
}

describe.each(MODELS)('published %s', { timeout: 3_600_000 }, (model, file, ious) => {
  const noCar = lacking(file, 'car.png');
  it.skipIf(noCar)(`is as sure of a car as published${noCar ? ` (${noCar})` : ''}`, async () => {
    const runtime = await initialize();
    const predictor = await predictorOf(file);
    await predictor.setImage(await readImage('car.png'));
    const masks = await predictor.predict({ points: [[1000, 600]], labels: [1] });
    for (const [i, { predictedIou }] of masks.entries()) expect(Math.abs(predictedIou - ious[i]!)).toBeLessThan(1e-2);
    predictor.dispose();
    predictor.model.dispose();
    shutdown(runtime);
  });

  const noWeights = lacking(file);
  it.skipIf(noWeights)(`tracks the bundled clip${noWeights ? ` (${noWeights})` : ''}`, async () => {
    const source = await openSource(demo('clip.mp4'));
    const firstMask = await readMask(demo('masks/00000.png'), source);
    const tracker = await VideoTracker.load({ tracker: model, weights: join(weights!, file) });
    let frames = 0;
    for await (const { frame, labels } of track({ source, tracker, firstMask })) {
      const truth = await readMask(demo(`masks/${String(frame.index).padStart(5, '0')}.png`), source);
      for (const id of [1, 2, 3]) {
        const maskOf = ({ width, height, data }: LabelMap) => ({
          width,
          height,
          data: Uint8Array.from(data, (label) => (label === id ? 1 : 0)),
        });
        if (!truth.data.includes(id)) continue;
        expect(scoreMask(maskOf(labels), maskOf(truth)).j, `frame ${frame.index}, object ${id}`).toBeGreaterThan(0.7);
      }
      if (++frames === 16) break;
    }
    tracker.dispose();
    await source.close();
  });
});

describe('published sam2.1-tiny', { timeout: 3_600_000 }, () => {
  const [, file] = MODELS[0]!;
  const reason = lacking(file, 'truck.jpg');
  it.skipIf(reason)(`finds a truck${reason ? ` (${reason})` : ''}`, async () => {
    const runtime = await initialize();
    const predictor = await predictorOf(file);
    await predictor.setImage(await readImage('truck.jpg'));
    const click = { points: [[500, 375] as const], labels: [1] };
    const masks = await predictor.predict(click);
    const sorted = masks.map(({ predictedIou }) => predictedIou).sort((a, b) => b - a);
    for (const [i, iou] of [0.9547, 0.4932, 0.0427].entries()) expect(Math.abs(sorted[i]! - iou)).toBeLessThan(1e-2);
    const [single] = await predictor.predict(click, { masks: 'single' });
    expect(Math.abs(single!.predictedIou - 0.9364)).toBeLessThan(1e-2);
    for (const [i, logit] of [-7.05, -13.39, -9.64].entries()) {
      expect(Math.abs(single!.lowRes[i]! - logit)).toBeLessThan(0.1);
    }
    predictor.dispose();
    predictor.model.dispose();
    shutdown(runtime);
  });
});
