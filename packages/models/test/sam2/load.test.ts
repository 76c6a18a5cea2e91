import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManifest } from '../../src/checkpoint/index.js';
import { Sam2Model } from '../../src/sam2/model.js';
import { loadMini, MINI_CONFIG, openMini } from './mini.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

/** The small model's tensors, without some of them. */
async function without(pattern: RegExp) {
  const mini = await openMini();
  const tensors = mini.keys
    .filter((key) => !pattern.test(key))
    .map((name) => ({ name, shape: [...mini.info(name).shape], scale: 0.1, offset: 0 }));
  return openManifest({ seed: 1, tensors }, 'x.pt');
}

describe('a checkpoint', { timeout: 120_000 }, () => {
  it('of SAM 2.0 is refused by name', async () => {
    const old = await without(/^no_obj_embed_spatial$|^obj_ptr_tpos_proj/);
    await expect(Sam2Model.load(old, { config: MINI_CONFIG })).rejects.toMatchObject({
      code: 'wrong-architecture',
      message: expect.stringMatching(/x\.pt: this is SAM 2\.0/),
    });
  });

  it('of an unpublished size needs to be described, by its file or by the caller', async () => {
    await expect(Sam2Model.load(await without(/^nothing$/))).rejects.toMatchObject({ code: 'wrong-architecture' });
    const model = await Sam2Model.load(await openMini());
    expect(model.config).toEqual(MINI_CONFIG);
    expect(model.name).toBeUndefined();
    model.dispose();
  });

  it('that lacks a tensor leaves nothing behind', async () => {
    const before = memory().numTensors;
    const broken = await without(/^memory_encoder\.out_proj\.weight$/);
    await expect(Sam2Model.load(broken, { config: MINI_CONFIG })).rejects.toMatchObject({
      code: 'missing-key',
      key: 'memory_encoder.out_proj.weight',
    });
    expect(memory().numTensors).toBe(before);
  });

  it.each([100, 32, 1000.5, Number.NaN])('cannot be run at %s pixels', async (imageSize) => {
    await expect(loadMini({ imageSize })).rejects.toMatchObject({ name: 'Sam2Error', code: 'option' });
  });

  it('runs at another size, with positions of its own', async () => {
    const model = await loadMini({ imageSize: 192 });
    const input = zeros([192, 192, 4]);
    const image = model.encode(input);
    expect(image.features.shape).toEqual([12 * 12, 256]);
    expect(image.s0.shape).toEqual([16 * 12 * 12, 32]);
    for (const tensor of [input, ...Object.values(image)]) tensor.dispose();
    model.dispose();
  });
});
