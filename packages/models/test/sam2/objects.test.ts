import { fusedOps, initialize, type OpSet, type Runtime, shutdown } from '@samtrack/kernels';
import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import { concat, dispose, memory, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_POINTS, type Sam2Model } from '../../src/sam2/model.js';
import { compareTap } from '../../src/verify/taps.js';
import { loadMini } from './mini.js';

let runtime: Runtime;
let model: Sam2Model;
beforeAll(async () => {
  runtime = await initialize();
  model = await loadMini();
});
afterAll(() => {
  model.dispose();
  shutdown(runtime);
});

const random = (rows: number, columns: number, seed: number) => toTensor(randomTensor([rows, columns], seed));
const floats = async (x: Tensor) => new Float32Array(await runtime.read(x));
const frameInput = () => toTensor(randomTensor([model.imageSize, model.imageSize, 4], 1));

describe('objects of a frame', () => {
  it('are decoded together as they are one by one', async () => {
    const before = memory().numTensors;
    const { side } = model;
    const input = frameInput();
    const image = model.encode(input);
    const seen = [11, 12, 13].map((seed) => random(side ** 2, 256, seed));
    const all = concat(seen);
    const together = await model.segmentObjects(all, image, { multimask: true });
    for (const [i, features] of seen.entries()) {
      const alone = await model.segment(features, image, model.embedPoints(NO_POINTS), { multimask: true });
      for (const part of ['lowRes', 'pointer'] as const) {
        expect(compareTap(part, together[i]![part], alone[part], 1e-10)).toMatchObject({ pass: true });
      }
      expect(together[i]!.score).toBeCloseTo(alone.score, 4);
      expect(together[i]!.iou).toBeCloseTo(alone.iou, 4);
    }
    expect(new Set(together.map(({ score }) => score)).size).toBe(3);
    dispose([input, image, seen, all] as never);
    expect(memory().numTensors).toBe(before);
  });

  it('attend to their memories together as they do one by one, whatever each remembers', async () => {
    const before = memory().numTensors;
    const positions = model.side ** 2;
    const features = random(positions, 256, 1);
    const start = model.beginAttention(features);
    let seed = 10;
    const remembered = (rows: readonly number[], pointers: number) => ({
      frames: rows.map((row) => ({ memory: random(positions, 64, seed++), row })),
      ...(pointers > 0 && {
        pointers: { tokens: random(4 * pointers, 64, seed++), positions: random(4 * pointers, 64, seed++) },
      }),
    });
    const contexts = [remembered([6, 1, 0], 3), remembered([6], 0), remembered([6, 6, 3, 2, 1, 0], 5)];
    const together = model.withMemory(start, contexts);
    expect(together.shape).toEqual([3 * positions, 256]);
    const all = await floats(together);
    for (const [i, context] of contexts.entries()) {
      const alone = model.withMemory(start, [context]);
      const own = all.subarray(i * positions * 256, (i + 1) * positions * 256);
      expect(compareTap(`object ${i}`, own, await floats(alone), 1e-12)).toMatchObject({ pass: true });
      alone.dispose();
    }
    dispose([features, start, contexts, together] as never);
    expect(memory().numTensors).toBe(before);
  });

  it('share what is the same for all of them: a further object costs less than the first', async () => {
    let products = 0;
    const counted: OpSet = {
      ...fusedOps,
      gemm: (a, b, options) => {
        const [rows, inputs] = a.shape as [number, number];
        products += rows * inputs * b.shape[1]!;
        return fusedOps.gemm(a, b, options);
      },
      gatedAttention: (input, options) => {
        const channels = input.keys.shape[0]! + input.values[0]!.tensor.shape[1]!;
        products += input.query.shape[0]! * input.validKeys * channels;
        return fusedOps.gatedAttention(input, options);
      },
    };
    const counting = await loadMini({ ops: counted });
    const positions = counting.side ** 2;
    const work = (objects: number) => {
      products = 0;
      tidy(() => {
        const contexts = Array.from({ length: objects }, () => ({
          frames: [{ memory: random(positions, 64, 3), row: 6 }],
        }));
        return counting.withMemory(counting.beginAttention(random(positions, 256, 1)), contexts);
      }).dispose();
      return products;
    };
    const [one, two, three] = [work(1), work(2), work(3)];
    expect(two - one).toBeLessThan(0.7 * one);
    expect(three - two).toBe(two - one);
    counting.dispose();
  });
});
