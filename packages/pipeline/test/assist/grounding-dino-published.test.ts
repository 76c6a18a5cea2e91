/**
 * The published Grounding DINO Swin-T against detections that its port to Hugging Face transformers was published with
 * (`test_modeling_grounding_dino.py`). Runs when the files are there:
 *
 *     SAMTRACK_WEIGHTS=~/.cache/samtrack/weights SAMTRACK_COCO_IMAGE=000000039769.jpg npx vitest run published
 *
 * `SAMTRACK_WEIGHTS` is a folder with `groundingdino_swint_ogc.pth` or `grounding-dino-tiny.safetensors` (`samtrack weights pull`),
 * the image is number 39769 of COCO 2017 val, two cats and two remote controls.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { initialize, shutdown } from '@samtrack/kernels';
import {
  GroundingDetector,
  GroundingDino,
  imageTensor,
  loadTokenizer,
  openCheckpoint,
  tokenizeCaption,
} from '@samtrack/models';
import { describe, expect, it } from 'vitest';
import { openSource } from '../../src/io/index.js';

const folder = process.env['SAMTRACK_WEIGHTS'];
const imageFile = process.env['SAMTRACK_COCO_IMAGE'];
const FILES = ['groundingdino_swint_ogc.pth', 'grounding-dino-tiny.safetensors'];

/** Of the first three queries: logits of [CLS], `a` and `cat`; centre, size. */
const LOGITS = [
  [-4.8913, -0.19, -0.2161],
  [-4.9653, -0.3719, -0.395],
  [-5.9599, -3.3765, -3.3104],
];
const BOXES = [
  [0.7674, 0.4136, 0.4572],
  [0.2566, 0.5463, 0.476],
  [0.2585, 0.5442, 0.4641],
];
const BEST_BOX = [344.81, 23.18, 637.4, 373.83];

/** Why a file is not tested. */
function lacking(file: string): string | undefined {
  if (!folder) return 'SAMTRACK_WEIGHTS names no folder';
  if (!existsSync(join(folder, file))) return 'not in SAMTRACK_WEIGHTS';
  if (!imageFile || !existsSync(imageFile)) return 'SAMTRACK_COCO_IMAGE names no image';
  return undefined;
}

async function readImage() {
  const source = await openSource(imageFile!);
  try {
    for await (const { width, height, rgba: data } of source) return { width, height, data };
    throw new Error('no image');
  } finally {
    await source.close();
  }
}

describe('published Grounding DINO Swin-T', () => {
  for (const file of FILES) {
    const reason = lacking(file);
    it.skipIf(reason)(
      `${file}${reason ? ` (${reason})` : ''}`,
      async () => {
        const runtime = await initialize();
        const checkpoint = await openCheckpoint(join(folder!, file));
        const network = await GroundingDino.load(checkpoint);
        await checkpoint.close();
        const image = await readImage();
        const text = tokenizeCaption('a cat.', await loadTokenizer());
        const input = imageTensor(image);
        const raw = await network.detect(network.encodeImage(input), network.encodeText(text));
        // Queries in any order: nearly equal scores may have changed places.
        for (const [i, logits] of LOGITS.entries()) {
          const errors = Array.from({ length: raw.queries }, (_, q) => {
            const own = [...raw.logits.subarray(q * raw.tokens, q * raw.tokens + 3)];
            const box = [...raw.boxes.subarray(4 * q, 4 * q + 3)];
            const worst = (a: number[], b: number[]) => Math.max(...a.map((value, k) => Math.abs(value - b[k]!)));
            return Math.max(0.1 * worst(own, logits), worst(box, BOXES[i]!));
          });
          expect(Math.min(...errors), `query ${i}`).toBeLessThan(2e-3);
        }
        const detector = new GroundingDetector(network);
        const { detections } = await detector.detect(image, { text: 'a cat.' });
        expect(detections.map(({ phrase, score }) => [phrase, score])).toEqual([
          ['a cat', expect.closeTo(0.4526, 2)],
          ['a cat', expect.closeTo(0.4082, 2)],
        ]);
        for (const [c, corner] of BEST_BOX.entries()) expect(Math.abs(detections[0]!.box[c]! - corner)).toBeLessThan(1);
        detector.dispose();
        network.dispose();
        shutdown(runtime);
      },
      600_000,
    );
  }
});
