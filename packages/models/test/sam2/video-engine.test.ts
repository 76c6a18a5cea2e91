/** The video engine where the published run of the fixture does not reach, on the CPU engine. */
import { readFileSync } from 'node:fs';
import { initializeCpu, type OnnxEngine, shutdownCpu } from '@samtrack/onnx';
import { memory, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint, openManifest } from '../../src/checkpoint/index.js';
import { frameInput } from '../../src/sam2/frame-input.js';
import { MEMORY_READING, NOT_SHOWN, ObjectMemory } from '../../src/sam2/object-memory.js';
import { Sam2VideoEngine } from '../../src/sam2/video-engine.js';
import { verifySam2 } from '../../src/verify/index.js';
import { loadMini, MINI_FILES, miniVideo } from './mini.js';

let engine: OnnxEngine;
beforeAll(async () => {
  engine = await initializeCpu();
});
afterAll(() => shutdownCpu(engine));

const floats = async (x: Tensor) => new Float32Array(await engine.read(x));

describe('the memory of an object', () => {
  it('of two frames that are equally near reads the one that came first, prompted again or not', async () => {
    const before = memory().numTensors;
    const remembered = new ObjectMemory();
    const prompt = (frame: number) =>
      remembered.set('conditioning', frame, { ...NOT_SHOWN, pointer: new Float32Array(), memory: tensor([frame]) });
    const read = () => {
      const { frames } = remembered.read(5, false, 20, { ...MEMORY_READING, maxConditioningFrames: 3 });
      return Promise.all(frames.map(async (frame) => (await floats(frame.memory))[0]));
    };
    for (const frame of [2, 8, 4, 6]) prompt(frame);
    expect(await read()).toEqual([4, 6, 2]);
    prompt(2);
    expect(await read()).toEqual([4, 6, 2]);
    remembered.dispose();
    expect(memory().numTensors).toBe(before);
  });
});

describe('the video engine', () => {
  it('shows memories to others as they are before they are rounded', async () => {
    const { height, width, frames, mask } = await miniVideo();
    const model = await loadMini();
    const memories = async (memoryPrecision: 'float32' | 'bfloat16') => {
      const pending: Promise<Float32Array>[] = [];
      const video = new Sam2VideoEngine(
        model,
        {
          height,
          width,
          frames: frames.length,
          input: async (frame) => frameInput({ height, width, data: frames[frame]! }, model.imageSize),
        },
        { memoryPrecision },
        (name, value) => {
          if (name.endsWith('maskmem')) pending.push(floats(value as Tensor));
        },
      );
      await video.addMask(0, 1, mask);
      for await (const { frame } of video.propagate({ count: 0 })) expect(frame).toBe(0);
      video.dispose();
      return Promise.all(pending);
    };
    const exact = await memories('float32');
    expect(exact).toHaveLength(1);
    expect(await memories('bfloat16')).toEqual(exact);
    model.dispose();
  });
});

describe('a golden', () => {
  it('may say once for all how the decoder chooses masks', async () => {
    const recipe = JSON.parse(readFileSync(MINI_FILES.manifest, 'utf8'));
    const [{ post, ...run }] = recipe.runs.filter(({ name }: { name: string }) => name === 'B');
    const failed = async (decoderDefaults: object) => {
      const taps = await openCheckpoint(MINI_FILES.taps);
      const stated = {
        runs: [{ ...run, events: run.events.slice(0, 3) }],
        image_prompts: [],
        amg_config: undefined,
        decoder_defaults: decoderDefaults,
      };
      const results = await verifySam2(openManifest({ ...recipe, ...stated }), taps);
      await taps.close();
      return results.filter(({ name, pass }) => name.startsWith('B.') && !pass);
    };
    expect(await failed(post)).toEqual([]);
    expect(await failed({ dynamic_multimask_via_stability: false })).not.toEqual([]);
  });
});
