import { describe, expect, it } from 'vitest';
import { CheckpointError, openManifest, proceduralTensor } from '../../src/checkpoint/index.js';

describe('proceduralTensor', () => {
  it('gives the published check values', () => {
    expect([...proceduralTensor('a.weight', [3], 1, 0, 7)]).toEqual(
      [-0.20315958559513092, -0.024228237569332123, -0.5059523582458496].map(Math.fround),
    );
  });

  it('agrees with a transcription of the definition in big integers', () => {
    const u32 = (v: bigint) => v & 0xffffffffn;
    const name = 'encoder.ünïcode.weight';
    const seed = 0xfedcba98;
    let hash = 0x811c9dc5n;
    for (const byte of new TextEncoder().encode(name)) hash = u32((hash ^ BigInt(byte)) * 0x01000193n);
    hash ^= BigInt(seed);
    const expected = Array.from({ length: 1000 }, (_, i) => {
      let x = u32(hash + BigInt(i) * 0x9e3779b9n);
      x = u32((x ^ (x >> 16n)) * 0x85ebca6bn);
      x = u32((x ^ (x >> 13n)) * 0xc2b2ae35n);
      x ^= x >> 16n;
      return Math.fround(1 + 2 * 0.3 * ((Number(x) + 0.5) / 2 ** 32 - 0.5));
    });
    expect([...proceduralTensor(name, [10, 100], 0.3, 1, seed)]).toEqual(expected);
  });

  it('fills a scalar and an empty tensor', () => {
    expect(proceduralTensor('a', [], 1, 0, 1)).toHaveLength(1);
    expect(proceduralTensor('a', [3, 0], 1, 0, 1)).toHaveLength(0);
  });
});

describe('openManifest', () => {
  const manifest = {
    seed: 7,
    tensors: [
      { name: 'a.weight', shape: [2, 3], scale: 1, offset: 0 },
      { name: 'tied.weight', alias: 'a.weight' },
      { name: 'b.weight', shape: [2, 3], scale: 1, offset: 0 },
    ],
  };

  it('reads tensors by key', async () => {
    const checkpoint = openManifest(manifest, 'm.json');
    expect(checkpoint.keys).toEqual(['a.weight', 'tied.weight', 'b.weight']);
    expect(checkpoint.info('a.weight')).toEqual({ key: 'a.weight', dtype: 'f32', shape: [2, 3], byteLength: 24 });
    const { data, shape } = await checkpoint.read('a.weight');
    expect(shape).toEqual([2, 3]);
    expect(data).toEqual(proceduralTensor('a.weight', [2, 3], 1, 0, 7));
    const raw = await checkpoint.readRaw('a.weight');
    expect(new Float32Array(raw.data.buffer)).toEqual(data);
  });

  it('gives an alias the values of its origin, not those of its own name', async () => {
    const checkpoint = openManifest(manifest);
    const origin = await checkpoint.read('a.weight');
    expect((await checkpoint.read('tied.weight')).data).toEqual(origin.data);
    expect((await checkpoint.read('b.weight')).data).not.toEqual(origin.data);
  });

  it.each<[string, unknown, string]>([
    ['null', null, 'corrupt'],
    ['an array', [], 'corrupt'],
    ['no seed', { tensors: [] }, 'corrupt'],
    ['no tensors', { seed: 1 }, 'corrupt'],
    ['a null tensor', { seed: 1, tensors: [null] }, 'corrupt'],
    ['a negative dimension', { seed: 1, tensors: [{ name: 'a', shape: [-1], scale: 1, offset: 0 }] }, 'corrupt'],
    ['a missing scale', { seed: 1, tensors: [{ name: 'a', shape: [1], offset: 0 }] }, 'corrupt'],
    ['an absurd size', { seed: 1, tensors: [{ name: 'a', shape: [1e9, 1e9], scale: 1, offset: 0 }] }, 'too-large'],
    ['an alias of nothing', { seed: 1, tensors: [{ name: 'a', alias: 'b' }] }, 'corrupt'],
    ['an alias of itself', { seed: 1, tensors: [{ name: 'a', alias: 'a' }] }, 'corrupt'],
    ['a name twice', { seed: 1, tensors: [manifest.tensors[0], manifest.tensors[0]] }, 'corrupt'],
  ])('refuses %s', (_, value, code) => {
    expect(() => openManifest(value, 'm.json')).toThrow(CheckpointError);
    expect(() => openManifest(value, 'm.json')).toThrow(expect.objectContaining({ code, file: 'm.json' }));
  });

  it('names a missing key', async () => {
    await expect(openManifest(manifest, 'm.json').read('c')).rejects.toMatchObject({ code: 'missing-key', key: 'c' });
  });
});
