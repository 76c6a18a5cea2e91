/** What is captured and replayed is what would be computed anew, bit by bit, whatever happens in between. */
import { readFileSync } from 'node:fs';
import { fusedOps, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { randomValues } from '@samtrack/kernels/testing';
import { memory, type Tensor, type Tensor4D, tensor } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TinyViT } from '../../src/encoders/tiny-vit.js';
import {
  type Manifest,
  openManifest,
  SamModel,
  SamPredictor,
  segmentEverything,
  WeightReader,
} from '../../src/index.js';
import { Replay } from '../../src/nn/replay.js';
import type { SamImageEncoder } from '../../src/sam/image-encoder.js';
import { type ImageEncoderOptions, loadImageEncoder } from '../../src/sam/load-encoder.js';
import { samTinyManifest } from '../fixtures/sam/manifest.js';

const MOBILE_SAM = JSON.parse(
  readFileSync(new URL('../fixtures/sam/mobile-sam.manifest.json', import.meta.url), 'utf8'),
) as Manifest;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => {
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

const load = (manifest: Manifest, options: ImageEncoderOptions): Promise<SamImageEncoder> =>
  loadImageEncoder(new WeightReader(openManifest(manifest)), fusedOps, options);

const image = (side: number, seed: number) =>
  tensor(randomValues(side * side * 3, seed), [1, side, side, 3]) as Tensor4D;

async function encode(encoder: SamImageEncoder, seed: number, onTap?: () => void): Promise<Float32Array> {
  const input = image(encoder.imageSize, seed);
  const out = encoder.encode(input, onTap);
  input.dispose();
  try {
    return new Float32Array(await runtime.read(out));
  } finally {
    out.dispose();
  }
}

describe('a replayed image encoder', () => {
  it.each([
    ['with float32 matrices', {}],
    ['with float16 matrices', { float16: true }],
  ])('computes what a plain one does, %s', async (_, options) => {
    const plain = await load(samTinyManifest(), { ...options, replay: false });
    const replayed = await load(samTinyManifest(), { ...options, replay: true });
    const seen = new Set<string>();
    for (let seed = 1; seed <= 6; seed++) {
      const expected = await encode(plain, seed);
      expect(await encode(replayed, seed)).toEqual(expected);
      seen.add(expected.join());
    }
    expect(seen.size).toBe(6);
    for (const encoder of [plain, replayed]) encoder.dispose();
  });

  it('may have a TinyViT, of which a small image tells as much', async () => {
    const weights = new WeightReader(openManifest(MOBILE_SAM));
    const backbone = await TinyViT.load(weights, '', fusedOps);
    const owned = weights.handOver();
    const passes = new Replay({ ops: fusedOps, replay: true, shapes: 1 });
    const run = async (seed: number, replayed: boolean) => {
      const pixels = tensor(randomValues(160 * 160 * 3, seed), [160, 160, 3]);
      const forward = (inputs: { pixels: Tensor }) => backbone.forward(inputs.pixels);
      const out = passes.at('image').call({ pixels }, forward, { captured: replayed });
      pixels.dispose();
      const values = new Float32Array(await runtime.read(out));
      out.dispose();
      return values;
    };
    const seen = new Set<string>();
    for (const seed of [1, 2, 3, 1]) {
      const expected = await run(seed, false);
      expect(await run(seed, true)).toEqual(expected);
      seen.add(expected.join());
    }
    expect(seen.size).toBe(3);
    passes.dispose();
    owned.dispose();
  });

  it('records nothing anew, gives results that stay, and shows intermediates to those who ask', async () => {
    const encoder = await load(samTinyManifest(), { replay: true });
    const inputs = [1, 2, 3, 4].map((seed) => image(256, seed));
    const results = inputs.map((input) => encoder.encode(input));
    let taps = 0;
    const expected = [];
    for (let seed = 1; seed <= 4; seed++) expected.push(await encode(encoder, seed, () => taps++));
    expect(taps).toBe(4 * 5);
    for (const [i, result] of results.entries()) {
      expect(new Float32Array(await runtime.read(result))).toEqual(expected[i]);
    }
    for (const one of [...inputs, ...results]) one.dispose();
    encoder.dispose();
  });

  it('takes no more memory for the twentieth image than for the second', async () => {
    const encoder = await load(samTinyManifest(), { replay: true });
    // Weights are uploaded by the first pass, into what is free then.
    await encode(encoder, 0, () => {});
    runtime.trim();
    const bytes: number[] = [];
    for (let i = 0; i < 20; i++) {
      await encode(encoder, i);
      bytes.push(runtime.memory().allocatedBytes);
    }
    expect(bytes.slice(2)).toEqual(bytes.slice(2).fill(bytes[1]!));
    // Beside what a plain pass leaves in the pool: the graph's own image and result.
    expect(bytes[1]! - bytes[0]!).toBeLessThanOrEqual(4 * (256 * 256 * 3 + 16 * 16 * 256));
    const tensors = memory().numTensors;
    encoder.dispose();
    runtime.trim();
    expect(memory().numTensors).toBeLessThan(tensors);
  });
});

describe('a replayed SAM', () => {
  const picture = (phase: number) => ({
    width: 90,
    height: 60,
    data: Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => 128 + 100 * Math.sin(i * 0.01 * (phase + 1))),
  });
  const click = (...points: [number, number][]) => ({ points, labels: points.map(() => 1) });
  let plain: SamModel;
  let replayed: SamModel;
  beforeAll(async () => {
    plain = await SamModel.load(openManifest(samTinyManifest()), { replay: false });
    replayed = await SamModel.load(openManifest(samTinyManifest()), { replay: true });
  });
  afterAll(() => {
    for (const model of [plain, replayed]) model.dispose();
  });

  it('gives the masks of a plain one: image after image, prompts of all kinds in between', async () => {
    const predictors = [new SamPredictor(plain), new SamPredictor(replayed)];
    const seen = new Set<string>();
    for (let phase = 0; phase < 3; phase++) {
      const found: unknown[][] = [];
      for (const predictor of predictors) {
        await predictor.setImage(picture(phase));
        const first = await predictor.predict(click([40, 30]));
        found.push([
          first,
          await predictor.predict(click([10 * phase + 5, 20])),
          await predictor.predict({ ...click([40, 30]), mask: first[0]!.lowRes }),
          await predictor.predict(click([40, 30], [50, 10], [3, 3]), { masks: 'single' }),
          await predictor.predict({ box: [10, 10, 50 + phase, 40] }),
        ]);
        // Of its two full passes and the rest, the second is captured, and forgotten after the call.
        if (phase === 1)
          found.push(await predictor.predictBatch(Array.from({ length: 34 }, (_, i) => click([2 * i, i]))));
      }
      const half = found.length / 2;
      expect(found.slice(half)).toEqual(found.slice(0, half));
      seen.add(JSON.stringify(found[0]));
    }
    expect(seen.size).toBe(3);
    for (const predictor of predictors) predictor.dispose();
  });

  it('segments everything alike, in no more memory from image to image', async () => {
    // Three full passes, of which one runs as it is, one is captured and one replayed, and a single prompt.
    const options = { pointsPerSide: 7, predIouThresh: 0, stabilityScoreThresh: 0 };
    const bytes: number[] = [];
    for (let phase = 0; phase < 3; phase++) {
      const found = await segmentEverything(replayed, picture(phase), options);
      bytes.push(runtime.memory().allocatedBytes);
      if (phase === 1) continue;
      expect(found).toEqual(await segmentEverything(plain, picture(phase), options));
      expect(found.length).toBeGreaterThan(0);
    }
    expect(bytes[2]).toBe(bytes[1]);
  });

  it('stops in the midst and goes on', async () => {
    const options = { pointsPerSide: 6, pointsPerBatch: 32, predIouThresh: 0, stabilityScoreThresh: 0 };
    const expected = await segmentEverything(plain, picture(7), options);
    await segmentEverything(replayed, picture(7), options);
    const before = memory().numTensors;
    const controller = new AbortController();
    const stopped = segmentEverything(replayed, picture(7), {
      ...options,
      signal: controller.signal,
      onProgress: () => controller.abort('stop'),
    });
    await expect(stopped).rejects.toBe('stop');
    expect(memory().numTensors).toBe(before);
    expect(await segmentEverything(replayed, picture(7), options)).toEqual(expected);
  });
});
