import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManifest } from '../../src/checkpoint/index.js';
import { decodeRle, decompressRle, encodeRle, type Rle, rleArea, rleBbox } from '../../src/masks/index.js';
import { pointGrid, touchesCropEdge } from '../../src/sam/crops.js';
import { type EverythingOptions, SamError, SamModel, SamPredictor, segmentEverything } from '../../src/sam/index.js';
import { steepSamManifest } from '../fixtures/sam/manifest.js';

let runtime: Runtime;
let model: SamModel;
beforeAll(async () => {
  runtime = await initialize();
  model = await SamModel.load(openManifest(steepSamManifest()));
});
afterAll(() => {
  model.dispose();
  shutdown(runtime);
});

const [width, height] = [96, 64];
const image = {
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => 128 + 100 * Math.sin(i / 40) * Math.cos(i / 3)),
};
/** Random weights make noisy masks of which hardly any would stay under the defaults. */
const lenient = {
  pointsPerSide: 3,
  predIouThresh: 0.8,
  stabilityScoreThresh: 0.5,
  boxNmsThresh: 0.98,
};

/** A high threshold leaves small masks in different places, some of which double others. */
const sparse = {
  pointsPerSide: 4,
  predIouThresh: 0.3,
  stabilityScoreThresh: 0.5,
  boxNmsThresh: 0.6,
  maskThreshold: 50,
} satisfies EverythingOptions;

interface Expected {
  mask: Rle;
  predictedIou: number;
  box: number[];
}

/** The same without crops and batches, from the predictor's masks one point at a time and plain loops. */
async function expected(options: typeof sparse) {
  const { pointsPerSide, predIouThresh, stabilityScoreThresh, boxNmsThresh, maskThreshold: threshold } = options;
  const predictor = new SamPredictor(model);
  await predictor.setImage(image);
  const candidates: Expected[] = [];
  for (const [x, y] of pointGrid(pointsPerSide)) {
    for (const mask of await predictor.predict(
      { points: [[x * width, y * height]], labels: [1] },
      { logits: true, threshold },
    )) {
      const count = (level: number) => mask.logits!.filter((value) => value > threshold + level).length;
      if (!(mask.predictedIou > predIouThresh) || !(count(1) / count(-1) >= stabilityScoreThresh)) continue;
      const [left, top, w, h] = rleBbox(mask.mask);
      candidates.push({
        mask: mask.mask,
        predictedIou: mask.predictedIou,
        box: [left, top, left + w - 1, top + h - 1],
      });
    }
  }
  predictor.dispose();
  candidates.sort((a, b) => b.predictedIou - a.predictedIou);
  const kept: Expected[] = [];
  for (const candidate of candidates) {
    const overlaps = kept.some(({ box: [a0, b0, a1, b1] }) => {
      const [x0, y0, x1, y1] = candidate.box;
      const shared =
        Math.max(0, Math.min(a1!, x1!) - Math.max(a0!, x0!)) * Math.max(0, Math.min(b1!, y1!) - Math.max(b0!, y0!));
      return shared / ((a1! - a0!) * (b1! - b0!) + (x1! - x0!) * (y1! - y0!) - shared) > boxNmsThresh;
    });
    if (!overlaps) kept.push(candidate);
  }
  return kept;
}

const iouOf = (a: Uint8Array, b: Uint8Array) => {
  let [shared, union] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    shared += a[i]! & b[i]!;
    union += a[i]! | b[i]!;
  }
  return union === 0 ? 1 : shared / union;
};

describe('segmentEverything', () => {
  it('is what its definition says, point by point', async () => {
    const records = await segmentEverything(model, image, sparse);
    const reference = await expected(sparse);
    expect(records.length).toBeGreaterThan(2);
    expect(new Set(records.map(({ bbox }) => bbox.join())).size).toBe(records.length);
    expect(records.length).toBe(reference.length);
    for (const [i, record] of records.entries()) {
      const { mask, predictedIou, box } = reference[i]!;
      expect(record.predictedIou).toBeCloseTo(predictedIou, 4);
      // Batches round differently, which may turn a pixel on the threshold.
      expect(iouOf(record.segmentation, decodeRle(mask))).toBeGreaterThan(0.99);
      expect(record.bbox).toEqual([box[0], box[1], box[2]! - box[0]!, box[3]! - box[1]!]);
      expect(record.area).toBe(record.segmentation.reduce((a, b) => a + b, 0));
      expect(record.stabilityScore).toBeGreaterThanOrEqual(0.5);
      expect(record.cropBox).toEqual([0, 0, width, height]);
      expect(pointGrid(4).map(([x, y]) => [x * width, y * height])).toContainEqual([...record.pointCoords[0]]);
    }
  });

  it('thresholds of 0 or less let everything through, in the order of predicted IoU', async () => {
    const all = { pointsPerSide: 2, predIouThresh: 0, stabilityScoreThresh: 0, boxNmsThresh: 1 };
    const records = await segmentEverything(model, image, all);
    expect(records).toHaveLength(2 * 2 * 3);
    const ious = records.map(({ predictedIou }) => predictedIou);
    expect(ious).toEqual([...ious].sort((a, b) => b - a));
    const strict = await segmentEverything(model, image, { ...all, predIouThresh: ious[5]! });
    expect(strict).toHaveLength(5);
    expect(await segmentEverything(model, image, { ...all, stabilityScoreThresh: 1.01 })).toEqual([]);
  });

  it('gives masks as pixels, run lengths or strings', async () => {
    const few = { ...lenient, pointsPerSide: 2 };
    const binary = await segmentEverything(model, image, few);
    const rle = await segmentEverything(model, image, { ...few, outputMode: 'uncompressed_rle' });
    const coco = await segmentEverything(model, image, { ...few, outputMode: 'coco_rle' });
    expect(binary.length).toBeGreaterThan(0);
    expect(rle.map(({ segmentation }) => segmentation)).toEqual(
      binary.map(({ segmentation }) => encodeRle(segmentation, width, height)),
    );
    expect(coco.map(({ segmentation }) => decompressRle(segmentation))).toEqual(
      rle.map(({ segmentation }) => segmentation),
    );
  });

  it('looks at crops, in pixels of the image, and drops what they cut off', async () => {
    const wide = { width: 300, height: 200, data: new Uint8Array(180_000).map((_, i) => (i * 7) % 251) };
    const options = {
      ...lenient,
      pointsPerSide: 2,
      cropNLayers: 1,
      cropNmsThresh: 1,
      outputMode: 'uncompressed_rle' as const,
    };
    const records = await segmentEverything(model, wide, { ...options, stabilityScoreThresh: 0, predIouThresh: 0 });
    const crops = new Set(records.map(({ cropBox }) => cropBox.join()));
    expect(crops).toContain('0,0,300,200');
    for (const { segmentation, bbox, cropBox, pointCoords } of records) {
      const [x, y, w, h] = bbox;
      const [cx, cy, cw, ch] = cropBox;
      expect(touchesCropEdge([x, y, x + w, y + h], [cx, cy, cx + cw, cy + ch], wide)).toBe(false);
      expect(segmentation.size).toEqual([200, 300]);
      if (rleArea(segmentation) > 0) expect(rleBbox(segmentation)).toEqual([x, y, w + 1, h + 1]);
      const [px, py] = pointCoords[0];
      expect(px > cx && px < cx + cw && py > cy && py < cy + ch).toBe(true);
    }
  });

  it('removes holes and islands, and prefers masks that had none', async () => {
    const options = { ...lenient, outputMode: 'uncompressed_rle' as const, minMaskRegionArea: 25 };
    const records = await segmentEverything(model, image, options);
    expect(records.length).toBeGreaterThan(0);
    const raw = await segmentEverything(model, image, { ...options, minMaskRegionArea: 0 });
    expect(records).not.toEqual(raw);
    for (const { segmentation, area } of records) {
      expect(area).toBe(rleArea(segmentation));
      expect(smallRegions(segmentation, 25)).toEqual([]);
    }
  });

  it('reports progress and stops at a signal', async () => {
    const before = memory().numTensors;
    const progress: number[] = [];
    const options = { ...lenient, pointsPerBatch: 4, onProgress: (fraction: number) => void progress.push(fraction) };
    await segmentEverything(model, image, options);
    expect(progress).toEqual([4 / 9, 8 / 9, 1]);
    const controller = new AbortController();
    const stopped = segmentEverything(model, image, {
      ...options,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(memory().numTensors).toBe(before);
  });

  it('needs no more memory for the tenth image than for the second', async () => {
    const sizes = [
      [96, 64],
      [64, 96],
      [50, 33],
      [120, 47],
      [31, 31],
    ] as const;
    const few = { ...lenient, pointsPerSide: 2 };
    const run = async (round: number) => {
      for (const [w, h] of sizes) {
        const data = new Uint8Array(w * h * 3).map((_, i) => (i * (round + 3)) % 253);
        await segmentEverything(model, { width: w, height: h, data }, few);
      }
      await runtime.finish();
      return { tensors: memory().numTensors, ...runtime.memory() };
    };
    const first = await run(0);
    expect(await run(1)).toEqual(first);
  });

  it('takes grids of one’s own', async () => {
    const grid = [
      [0.5, 0.5],
      [0.1, 0.9],
    ] as const;
    const records = await segmentEverything(model, image, {
      pointGrids: [grid],
      predIouThresh: 0,
      stabilityScoreThresh: 0,
      boxNmsThresh: 1,
    });
    expect(new Set(records.map(({ pointCoords }) => `${pointCoords[0]}`))).toEqual(
      new Set([`${[48, 32]}`, `${[96 * 0.1, 64 * 0.9]}`]),
    );
  });

  it.each<[EverythingOptions, RegExp]>([
    [{ pointsPerSide: 0 }, /pointsPerSide is 0/],
    [{ pointsPerSide: 2.5 }, /pointsPerSide is 2.5/],
    [{ pointsPerSide: 2, pointGrids: [[]] }, /not both/],
    [{ pointGrids: [[[0.5, 0.5]]], cropNLayers: 1 }, /1 grids, cropNLayers 1 takes 2/],
    [{ pointGrids: [[[0.5, 1.5]]] }, /0.5,1.5 in layer 0/],
    [{ pointsPerBatch: 0 }, /pointsPerBatch is 0/],
    [{ cropNLayers: -1 }, /cropNLayers is -1/],
    [{ cropOverlapRatio: 1 }, /cropOverlapRatio is 1/],
    [{ cropNPointsDownscaleFactor: 0.5 }, /cropNPointsDownscaleFactor is 0.5/],
    [{ boxNmsThresh: 1.2 }, /boxNmsThresh is 1.2/],
    [{ predIouThresh: Number.NaN }, /predIouThresh is NaN/],
    [{ minMaskRegionArea: -3 }, /minMaskRegionArea is -3/],
    [{ outputMode: 'png' as never }, /outputMode is "png"/],
  ])('refuses %j', async (options, message) => {
    await expect(segmentEverything(model, image, options)).rejects.toThrow(SamError);
    await expect(segmentEverything(model, image, options)).rejects.toThrow(message);
  });
});

/** Areas of holes, and of islands beside the largest, below `least`: by flooding from each pixel. */
function smallRegions(rle: Rle, least: number): number[] {
  const [rows, columns] = rle.size;
  const mask = decodeRle(rle);
  const seen = new Uint8Array(mask.length);
  const areas: { colour: number; area: number }[] = [];
  for (let start = 0; start < mask.length; start++) {
    if (seen[start]) continue;
    const stack = [start];
    seen[start] = 1;
    let area = 0;
    while (stack.length > 0) {
      const at = stack.pop()!;
      area++;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const [x, y] = [(at % columns) + dx, Math.floor(at / columns) + dy];
          if (x < 0 || y < 0 || x >= columns || y >= rows) continue;
          const next = y * columns + x;
          if (seen[next] || mask[next] !== mask[start]) continue;
          seen[next] = 1;
          stack.push(next);
        }
      }
    }
    areas.push({ colour: mask[start]!, area });
  }
  const islands = areas.filter(({ colour }) => colour === 1).map(({ area }) => area);
  const holes = areas.filter(({ colour, area }) => colour === 0 && area < least).map(({ area }) => area);
  return islands.length > 1 ? [...holes, ...islands.filter((area) => area < least)] : holes;
}
