import { initialize, shutdown } from '@samtrack/kernels';
import { CaptionError, CheckpointError } from '@samtrack/models';
import { groundingDinoManifest, TINY_CONFIG } from '@samtrack/models/testing';
import { memory } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { GroundingDinoDetector } from '../../src/assist/index.js';
import { makeFrame } from '../tracking/scene.js';

const SIZE = { width: 96, height: 64 };
const image = makeFrame(0, SIZE);
const bytes = (manifest: unknown) => new TextEncoder().encode(JSON.stringify(manifest));
const weights = bytes(groundingDinoManifest(TINY_CONFIG, 5));
const options = { shortEdge: 64 };

describe('GroundingDinoDetector', () => {
  it('finds boxes within the image, best first, and reads its weights when they are needed', async () => {
    const loaded: number[] = [];
    const detector = new GroundingDinoDetector(weights, {
      ...options,
      onProgress: ({ bytes, total }) => loaded.push(bytes / total!),
    });
    expect(loaded).toEqual([]);
    const runtime = await initialize();
    const found = await detector.detect(image, { text: 'a cat. remote control', boxThreshold: 0.1 });
    expect(loaded.at(-1)).toBe(1);
    expect(found.length).toBeGreaterThan(3);
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a));
    for (const {
      box: [x0, y0, x1, y1],
    } of found) {
      expect(x0).toBeGreaterThanOrEqual(0);
      expect(y0).toBeGreaterThanOrEqual(0);
      expect(x1).toBeLessThanOrEqual(SIZE.width);
      expect(y1).toBeLessThanOrEqual(SIZE.height);
      expect((x1 - x0) * (y1 - y0)).toBeGreaterThan(0);
    }
    // Classes are labels as they were asked for; boxes of no class are left out.
    const classes = ['A cat', 'Remote control'];
    for (const { label } of await detector.detect(image, { classes, boxThreshold: 0.1 }))
      expect(classes).toContain(label);
    expect(await detector.detect(image, { text: 'cat', boxThreshold: 1 })).toEqual([]);

    const reads = loaded.length;
    shutdown(runtime);
    const again = await initialize();
    expect(await detector.detect(image, { text: 'a cat. remote control', boxThreshold: 0.1 })).toEqual(found);
    expect(loaded.length).toBe(2 * reads);
    detector.dispose();
    detector.dispose();
    await Promise.resolve();
    expect(memory().numTensors).toBe(0);
    await expect(detector.detect(image, { text: 'cat' })).rejects.toThrow('disposed');
    shutdown(again);
  });

  it('says what is wrong with weights and texts', async () => {
    const runtime = await initialize();
    const wrong = new GroundingDinoDetector(bytes({ seed: 1, tensors: [] }));
    await expect(wrong.detect(image, { text: 'cat' })).rejects.toThrow(CheckpointError);
    const detector = new GroundingDinoDetector(weights, options);
    await expect(detector.detect(image, {})).rejects.toThrow(CaptionError);
    await expect(detector.detect(image, { classes: [] })).rejects.toThrow(CaptionError);
    detector.dispose();
    wrong.dispose();
    shutdown(runtime);
  });
});
