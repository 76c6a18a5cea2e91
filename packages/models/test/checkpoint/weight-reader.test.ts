import { describe, expect, it } from 'vitest';
import { openCheckpoint, WeightReader, writeSafetensors } from '../../src/checkpoint/index.js';
import { floats } from './builders.js';

const open = async (weights: Record<string, number[]>) => {
  const entries = Object.entries(weights).map(([key, values]) => ({
    key,
    dtype: 'f32' as const,
    shape: [values.length],
    data: floats(...values),
  }));
  return new WeightReader(await openCheckpoint(writeSafetensors(entries), { name: 'w.safetensors' }));
};

describe('WeightReader', () => {
  it('takes what the model needs and lists the rest', async () => {
    const reader = await open({ a: [1, 2], b: [3], 'bn.num_batches_tracked': [4], extra: [5] });
    expect([...(await reader.take('a', [2]))]).toEqual([1, 2]);
    expect(reader.finish()).toEqual(['b', 'bn.num_batches_tracked', 'extra']);
    await reader.take('b', [1]);
    expect(reader.finish([/num_batches_tracked$/, 'extr'])).toEqual(['extra']);
    expect(reader.finish([/num_batches_tracked$/, 'extra'])).toEqual([]);
  });

  it('names a missing key, the shape it should have and the file', async () => {
    const reader = await open({ a: [1] });
    await expect(reader.take('enc.b', [2, 3])).rejects.toMatchObject({
      name: 'CheckpointError',
      code: 'missing-key',
      key: 'enc.b',
      file: 'w.safetensors',
      expectedShape: [2, 3],
      message: expect.stringMatching(/w\.safetensors.*enc\.b.*\[2, 3\]/),
    });
  });

  it.each([[[3]], [[2, 1]], [[]]])('refuses [2] where %j is needed', async (shape) => {
    const reader = await open({ a: [1, 2] });
    await expect(reader.take('a', shape)).rejects.toMatchObject({
      code: 'wrong-shape',
      key: 'a',
      expectedShape: shape,
      actualShape: [2],
    });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'refuses %d and says where',
    async (value) => {
      const reader = await open({ a: [1, 2, value] });
      await expect(reader.take('a', [3])).rejects.toMatchObject({
        code: 'not-finite',
        key: 'a',
        message: expect.stringContaining(`${value} at flat index 2`),
      });
    },
  );
});
