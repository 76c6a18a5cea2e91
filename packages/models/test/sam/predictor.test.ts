import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, openManifest } from '../../src/checkpoint/index.js';
import { ImageError } from '../../src/image/index.js';
import { decodeRle, rleArea } from '../../src/masks/index.js';
import {
  predictAsOnnx,
  predictRefined,
  predictStroke,
  SamError,
  SamModel,
  SamPredictor,
  type SamPrompt,
  samForward,
} from '../../src/sam/index.js';
import { preprocessImage, resizeLongestSide } from '../../src/sam/transforms.js';
import { steepSamManifest } from '../fixtures/sam/manifest.js';

let runtime: Runtime;
let model: SamModel;
let predictor: SamPredictor;
beforeAll(async () => {
  runtime = await initialize();
  model = await SamModel.load(openManifest(steepSamManifest()));
  predictor = new SamPredictor(model);
});
afterEach(() => predictor.reset());
afterAll(() => {
  model.dispose();
  shutdown(runtime);
});

/** A picture with something in it. */
function picture(width: number, height: number, channels = 3) {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const [x, y] = [Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return 128 + 100 * Math.sin(x / 9 + (i % channels)) * Math.cos(y / 7);
  });
  return { width, height, data };
}

const image = picture(90, 60);
const SIZES: readonly (readonly [number, number])[] = [
  [90, 60],
  [60, 90],
  [256, 256],
];
const click: SamPrompt = { points: [[30, 20]], labels: [1] };

describe('an image', () => {
  it('is needed before anything else', async () => {
    expect(predictor.hasImage).toBe(false);
    expect(() => predictor.embedding).toThrow(SamError);
    await expect(predictor.predict(click)).rejects.toMatchObject({ code: 'no-image' });
    expect(() => predictor.save()).toThrow('There is no image');
  });

  it('replaces the one before and is forgotten by reset, without a trace', async () => {
    const before = memory().numTensors;
    for (const size of SIZES) {
      await predictor.setImage(picture(...size));
      expect(predictor.embedding.originalSize).toEqual({ width: size[0], height: size[1] });
    }
    predictor.reset();
    predictor.reset();
    expect(memory().numTensors).toBe(before);
    expect(predictor.hasImage).toBe(false);
  });

  it.each([
    ['one pixel', picture(1, 1), { height: 256, width: 256 }],
    ['long and thin', picture(10_000, 300), { height: 8, width: 256 }],
    ['grey', picture(40, 50, 1), { height: 256, width: 205 }],
    ['RGBA', picture(50, 40, 4), { height: 205, width: 256 }],
  ])('may be %s', async (_, strange, inputSize) => {
    await predictor.setImage(strange);
    expect(predictor.embedding.inputSize).toEqual(inputSize);
    const [mask] = await predictor.predict({ box: [0, 0, strange.width, strange.height] });
    expect(mask!.mask.size).toEqual([strange.height, strange.width]);
    expect(rleArea(mask!.mask)).toBe(mask!.area);
  });

  it('grey and RGBA are seen as their RGB', async () => {
    const grey = picture(40, 50, 1);
    const rgba = Uint8Array.from({ length: 8000 }, (_, i) => (i % 4 === 3 ? i % 251 : grey.data[i >> 2]!));
    await predictor.setImage(grey);
    const seen = await predictor.predict(click);
    await predictor.setImage({ width: 40, height: 50, data: rgba });
    expect(await predictor.predict(click)).toEqual(seen);
  });

  it('may have its colours reversed', async () => {
    const { width, height, data } = image;
    const bgr = Uint8Array.from(data, (_, i) => data[i - (i % 3) + 2 - (i % 3)]!);
    await predictor.setImage(image);
    const seen = await predictor.predict(click);
    await predictor.setImage({ width, height, data: bgr }, { order: 'bgr' });
    expect(await predictor.predict(click)).toEqual(seen);
  });

  it('may be resized already', async () => {
    await expect(predictor.setResizedImage(picture(255, 100), { width: 90, height: 60 })).rejects.toThrow(/255x100/);
    expect(predictor.hasImage).toBe(false);
    await predictor.setResizedImage(picture(256, 100), { width: 90, height: 60 });
    const [mask] = await predictor.predict(click);
    expect(mask!.mask.size).toEqual([60, 90]);
  });

  it('is refused where it is none, and the one before is gone then', async () => {
    await predictor.setImage(image);
    await expect(predictor.setImage({ width: 9, height: 9, data: new Uint8Array(9).subarray(1) })).rejects.toThrow(
      ImageError,
    );
    expect(predictor.hasImage).toBe(false);
    await expect(predictor.setImage(picture(3000, 1))).rejects.toThrow('too thin');
  });

  it('stops at a signal', async () => {
    const before = memory().numTensors;
    await expect(predictor.setImage(image, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    await expect(predictor.setImage(image, { signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(predictor.hasImage).toBe(false);
    expect(memory().numTensors).toBe(before);
  });
});

describe('preprocess', () => {
  it('normalises, then pads with zeros at the bottom and at the right', async () => {
    const input = preprocessImage({ width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i * 14) }, 4);
    const values = await input.data();
    expect(input.shape).toEqual([1, 4, 4, 3]);
    const [mean, std] = [
      [123.675, 116.28, 103.53],
      [58.395, 57.12, 57.375],
    ] as const;
    for (let i = 0; i < 48; i++) {
      const [x, y, c] = [Math.floor(i / 3) % 4, Math.floor(i / 12), i % 3];
      const pixel = x < 3 && y < 2 ? ((y * 3 + x) * 3 + c) * 14 : undefined;
      expect(values[i]).toBeCloseTo(pixel === undefined ? 0 : (pixel - mean[c]!) / std[c]!, 6);
    }
    input.dispose();
    expect(() => preprocessImage(picture(5, 2), 4)).toThrow('5x2 pixels does not fit');
  });
});

describe('several images', () => {
  it('and their prompts in one call', async () => {
    const before = memory().numTensors;
    const originals = [image, picture(50, 120)];
    const inputs = originals.map((original) => ({
      image: resizeLongestSide(original, model.imageSize),
      originalSize: { width: original.width, height: original.height },
    }));
    const prompts = [{ points: [[60, 60]] as const, labels: [1] }, { box: [10, 10, 90, 150] as const }];
    const results = await samForward(model, [{ ...inputs[0]!, prompts }, inputs[1]!], { masks: 'single' });
    expect(results.map((masks) => masks.length)).toEqual([2, 1]);
    await predictor.setImage(originals[0]!);
    expect(results[0]![1]).toEqual(await predictor.predict(prompts[1]!, { masks: 'single', coordinates: 'frame' }));
    await predictor.setImage(originals[1]!);
    expect(results[1]![0]).toEqual(await predictor.predict({}, { masks: 'single' }));
    predictor.reset();
    expect(memory().numTensors).toBe(before);
  });
});

describe('masks', () => {
  it('are three, one, or all four of the same', async () => {
    await predictor.setImage(image);
    const all = await predictor.predict(click, { masks: 'all' });
    expect(all).toHaveLength(4);
    const multi = await predictor.predict(click);
    const single = await predictor.predict(click, { masks: 'single' });
    expect([...single, ...multi].map(({ mask }) => mask)).toEqual(all.map(({ mask }) => mask));
    expect([...single, ...multi].map((m) => m.predictedIou)).toEqual(all.map((m) => m.predictedIou));
    expect(new Set(all.map(({ area }) => area)).size).toBeGreaterThan(1);
  });

  it('agree with their logits, area, box and stability', async () => {
    await predictor.setImage(image);
    for (const mask of await predictor.predict(click, { logits: true, stabilityOffset: 2 })) {
      const pixels = decodeRle(mask.mask);
      const logits = mask.logits!;
      expect([...pixels]).toEqual([...logits].map((v) => (v > 0 ? 1 : 0)));
      expect(mask.area).toBe(pixels.reduce((a, b) => a + b, 0));
      const [high, low] = [2, -2].map((level) => logits.filter((v) => v > level).length) as [number, number];
      expect(mask.stability).toBeCloseTo(high / low, 10);
      const inside = [...pixels.keys()].filter((i) => pixels[i]);
      const [xs, ys] = [inside.map((i) => i % 90), inside.map((i) => Math.floor(i / 90))];
      expect(mask.box).toEqual([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
    }
  });

  it('are cut at the threshold that is asked for', async () => {
    await predictor.setImage(image);
    const [mask] = await predictor.predict(click, { logits: true, threshold: 1.5 });
    expect([...decodeRle(mask!.mask)]).toEqual([...mask!.logits!].map((v) => (v > 1.5 ? 1 : 0)));
  });

  it('of many prompts are those of each alone, in the order of the prompts', async () => {
    await predictor.setImage(image);
    const { lowRes } = (await predictor.predict(click))[0]!;
    const prompts: SamPrompt[] = [
      click,
      { box: [10, 10, 50, 50] },
      {
        points: [
          [5, 5],
          [80, 50],
        ],
        labels: [0, 1],
      },
      { points: [[44, 9]], labels: [1], mask: lowRes },
      {},
      { points: [[5, 5]], labels: [1], box: [10, 10, 50, 50] },
      { mask: lowRes },
      { points: [[70, 30]], labels: [0] },
    ];
    const progress: number[] = [];
    const batch = await predictor.predictBatch(prompts, { onProgress: (fraction) => progress.push(fraction) });
    expect(progress.at(-1)).toBe(1);
    expect(batch).toHaveLength(prompts.length);
    for (const [i, prompt] of prompts.entries()) {
      const alone = await predictor.predict(prompt);
      for (const [k, mask] of alone.entries()) {
        expect(batch[i]![k]!.predictedIou).toBeCloseTo(mask.predictedIou, 4);
        for (const [at, value] of mask.lowRes.entries()) {
          if (Math.abs(batch[i]![k]!.lowRes[at]! - value) > 1e-3) expect(batch[i]![k]!.lowRes[at], `${i}`).toBe(value);
        }
      }
    }
    expect(await predictor.predictBatch([])).toEqual([]);
  });

  it('of more prompts than a pass takes are right, too', async () => {
    await predictor.setImage(image);
    const prompts = Array.from({ length: 35 }, (_, i): SamPrompt => ({ points: [[2 * i, i]], labels: [1] }));
    const batch = await predictor.predictBatch(prompts, { masks: 'single' });
    expect(batch).toHaveLength(35);
    for (const i of [0, 15, 16, 34]) {
      const [alone] = await predictor.predict(prompts[i]!, { masks: 'single' });
      expect(batch[i]![0]!.predictedIou).toBeCloseTo(alone!.predictedIou, 4);
      expect(Math.abs(batch[i]![0]!.area - alone!.area)).toBeLessThanOrEqual(2);
    }
  });

  it('of a bad prompt are an error that names it, and cost nothing', async () => {
    await predictor.setImage(image);
    const before = memory().numTensors;
    await expect(predictor.predictBatch([click, { points: [[91, 5]], labels: [1] }])).rejects.toThrow(
      /^Prompt 1 has point 0/,
    );
    await expect(predictor.predict({ labels: [1] })).rejects.toMatchObject({ code: 'prompt' });
    expect(memory().numTensors).toBe(before);
  });

  it('leave no tensors, also when they are stopped', async () => {
    await predictor.setImage(image);
    const before = memory().numTensors;
    await predictor.predict(click, { logits: true });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(predictor.predict(click, { signal })).rejects.toThrow('enough');
    const controller = new AbortController();
    const prompts = Array.from({ length: 20 }, () => click);
    const onProgress = () => controller.abort(new Error('enough'));
    await expect(predictor.predictBatch(prompts, { signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(memory().numTensors).toBe(before);
  });
});

describe('a saved embedding', () => {
  it('gives the same masks without the encoder', async () => {
    await predictor.setImage(image);
    const seen = await predictor.predict(click);
    const bytes = await predictor.save();
    predictor.reset();
    predictor.restore(bytes);
    expect(predictor.embedding).toMatchObject({ originalSize: { width: 90, height: 60 } });
    expect(await predictor.predict(click)).toEqual(seen);
    // Also from the middle of a larger file.
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    predictor.restore(shifted.subarray(3));
    expect(await predictor.predict(click)).toEqual(seen);
  });

  it('is checked', async () => {
    await predictor.setImage(image);
    const bytes = await predictor.save();
    const changed = (at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    expect(() => predictor.restore(new Uint8Array(3))).toThrow(SamError);
    expect(() => predictor.restore(changed(0))).toThrow('do not begin like one');
    expect(() => predictor.restore(changed(8))).toThrow('version');
    expect(() => predictor.restore(changed(17))).toThrow('description');
    expect(() => predictor.restore(changed(bytes.length - 1))).toThrow('damaged');
    expect(() => predictor.restore(bytes.subarray(0, -4))).toThrow('bytes of values');
    const other = await SamModel.load(openManifest({ ...steepSamManifest(), seed: 5 }));
    expect(() => new SamPredictor(other).restore(bytes)).toThrow(/with the weights [0-9a-f]{8}/);
    other.dispose();
  });
});

describe('ways to ask', () => {
  it('refined: the best mask is shown to the network with the same prompt', async () => {
    await predictor.setImage(image);
    const first = await predictor.predict(click);
    const best = first.reduce((a, b) => (b.predictedIou > a.predictedIou ? b : a));
    const second = await predictor.predict({ ...click, mask: best.lowRes });
    const refined = await predictRefined(predictor, click);
    expect(refined).toEqual([...second].sort((a, b) => b.predictedIou - a.predictedIou));
    expect(refined[0]!.mask).not.toEqual(best.mask);
  });

  it('strokes: the best of their readings by predicted IoU and agreement', async () => {
    await predictor.setImage(image);
    const stroke = {
      points: [
        [20, 10],
        [60, 30],
      ] as const,
      background: [
        [
          [5, 50],
          [15, 55],
        ] as const,
      ],
    };
    const masks = await predictStroke(predictor, stroke);
    // Points, box and both, three masks each, and three of the second pass.
    expect(masks).toHaveLength(12);
    const merits = masks.map((m) => Math.max(0, m.predictedIou) * m.agreement);
    expect(merits).toEqual([...merits].sort((a, b) => b - a));
    // A dot has no box.
    expect(await predictStroke(predictor, { points: [[20, 10]] })).toHaveLength(6);
    await expect(predictStroke(predictor, { points: [] })).rejects.toThrow('no points');
  });

  it('as the ONNX models: a box is two points', async () => {
    await predictor.setImage(image);
    const box = await predictor.predict({ box: [10, 10, 50, 50] }, { masks: 'all' });
    const corners = {
      points: [
        [10, 10],
        [50, 50],
      ] as const,
      labels: [2, 3],
    };
    const masks = await predictAsOnnx(predictor, corners);
    expect(masks.map(({ score }) => score)).toEqual(box.map(({ predictedIou }) => predictedIou));
    expect(masks[2]).toMatchObject({ lowRes: box[2]!.lowRes, area: box[2]!.area });
    expect(masks[2]!.logits).toHaveLength(90 * 60);
    const padded = {
      points: [
        [30, 20],
        [0, 0],
      ] as const,
      labels: [1, -1],
    };
    const [selected] = await predictAsOnnx(predictor, padded, { returnSingleMask: true });
    const plain = await predictor.predict(click);
    expect(selected!.score).toBe(Math.max(...plain.map(({ predictedIou }) => predictedIou)));
    const [stable] = await predictAsOnnx(predictor, padded, { returnSingleMask: true, useStabilityScore: true });
    expect(stable!.score).toBe(stable!.stability);
  });
});

describe('checkpoints', () => {
  it('of another size are refused, naming the key', async () => {
    const manifest = steepSamManifest();
    const tensors = manifest.tensors.map((t) =>
      t.name === 'mask_decoder.mask_tokens.weight' ? { ...t, shape: [3, 256] } : t,
    );
    const before = memory().numTensors;
    const load = SamModel.load(openManifest({ ...manifest, tensors: tensors as typeof manifest.tensors }));
    await expect(load).rejects.toThrow(CheckpointError);
    await expect(load).rejects.toThrow('"mask_decoder.mask_tokens.weight" is [3, 256], the model needs [4, 256]');
    expect(memory().numTensors).toBe(before);
  });

  it('without a tensor are refused, naming it', async () => {
    const manifest = steepSamManifest();
    const tensors = manifest.tensors.filter(({ name }) => name !== 'prompt_encoder.no_mask_embed.weight');
    await expect(SamModel.load(openManifest({ ...manifest, tensors }))).rejects.toMatchObject({
      code: 'missing-key',
      key: 'prompt_encoder.no_mask_embed.weight',
    });
  });

  it('report what is not known of them', () => {
    expect(model.unexpectedKeys).toEqual([]);
  });
});
