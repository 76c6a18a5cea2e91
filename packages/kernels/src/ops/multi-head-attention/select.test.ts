import { type Tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AdapterName, adapterNames, adapters } from '../../../test/adapters.js';
import { attentionTile, gridTile } from '../../families/attention/tiles.js';
import {
  initialize,
  multiHeadAttention,
  type Runtime,
  relativeWindowAttention,
  ShapeError,
  shutdown,
} from '../../index.js';
import { broadcastQueries, type MultiHeadAttentionShape, type MultiHeadAttentionVariant } from './select.js';

const size = (queries: number, keys: number, headSize: number, plain = true): MultiHeadAttentionShape => ({
  batch: 1,
  heads: 8,
  queries,
  keys,
  headSize,
  mask: !plain,
  relative: false,
});

const windows = (window: number) => ({ height: 64, width: 64, window, shift: 0, heads: 12, headSize: 64 });

describe('selection', () => {
  it.each<[what: string, MultiHeadAttentionShape, software: MultiHeadAttentionVariant, gpu: MultiHeadAttentionVariant]>(
    [
      ['the whole image of a vision transformer', size(4096, 4096, 64, false), 'broadcast', 'tiled'],
      ['900 queries among themselves', size(900, 900, 32), 'broadcast', 'tiled'],
      ['a short text with a mask', size(9, 9, 64, false), 'broadcast', 'direct'],
      ['an image that looks at a few tokens', size(4096, 7, 16), 'keys-in-registers', 'direct'],
      ['as many keys as three for each lane, and one more', size(4096, 25, 16), 'broadcast', 'tiled'],
      ['a few tokens that look at an image', size(7, 4096, 16), 'direct', 'split-keys'],
      ['a few tokens among themselves', size(7, 7, 32), 'direct', 'direct'],
      ['heads too large for registers', size(7, 4096, 64), 'broadcast', 'direct'],
    ],
  )('%s', (_, shape, software, gpu) => {
    expect(multiHeadAttention.select(shape, adapters.software8)).toBe(software);
    expect(multiHeadAttention.select(shape, adapters.discrete)).toBe(gpu);
  });

  it.each([
    [16384, 'direct'],
    [32768, 'tiled'],
    [49152, 'tiled'],
  ])('heads of 80 with %i bytes of workgroup memory: %s', (maxWorkgroupBytes, variant) => {
    const adapter = { ...adapters.discrete, maxWorkgroupBytes };
    expect(multiHeadAttention.select(size(4096, 4096, 80, false), adapter)).toBe(variant);
  });

  it('is of what is supported', () => {
    for (const name of adapterNames)
      for (const queries of [1, 8, 64, 4096])
        for (const keys of [1, 8, 24, 300])
          for (const headSize of [4, 16, 64, 80, 256])
            for (const plain of [true, false]) {
              const shape = size(queries, keys, headSize, plain);
              const supported = multiHeadAttention.supported(shape, adapters[name]);
              expect(supported).toContain(multiHeadAttention.select(shape, adapters[name]));
            }
  });

  it.each<[AdapterName, string]>([
    ['software8', 'broadcast'],
    ['softwareNoSubgroups', 'direct'],
    ['discrete', 'tiled'],
    ['least', 'direct'],
  ])('%s: %s in windows with relative positions', (name, variant) => {
    expect(relativeWindowAttention.select(windows(14), adapters[name])).toBe(variant);
    expect(relativeWindowAttention.select(windows(5), adapters.discrete)).toBe('direct');
  });

  it.each([
    [64, 49152, { keys: 4, holdQueries: true }],
    [64, 32768, { keys: 4, holdQueries: false }],
    [64, 16384, { keys: 2, holdQueries: false }],
    [80, 49152, { keys: 4, holdQueries: false }],
    [32, 32768, { keys: 4, holdQueries: true }],
    [132, 49152, undefined],
  ])('heads of %i with %i bytes of workgroup memory: tiles of %j', (headSize, bytes, tile) => {
    const actual = attentionTile(headSize, bytes);
    if (tile) expect(actual).toMatchObject(tile);
    else expect(actual).toBeUndefined();
  });

  it.each([
    [64, 8, { slotWidth: 32, slotHeight: 1 }],
    [14, 8, { slotWidth: 16, slotHeight: 2 }],
    [7, 8, { slotWidth: 8, slotHeight: 4 }],
    [1, 8, { slotWidth: 4, slotHeight: 8 }],
    [14, 4, { slotWidth: 16, slotHeight: 1 }],
    [64, 16, { slotWidth: 64, slotHeight: 1 }],
  ])('a grid %i wide, subgroups of %i: tiles of %j', (gridWidth, subgroupSize, tile) => {
    expect(gridTile(gridWidth, 4 * subgroupSize)).toEqual(tile);
  });

  it.each([
    [7, 4096, 8],
    [9, 9, 16],
    [1023, 1024, 16],
    [1024, 1024, 32],
  ])('%i queries, %i keys: %i queries a subgroup', (queries, keys, rows) => {
    expect(broadcastQueries(queries, keys)).toBe(rows);
  });
});

describe('operands that do not fit', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await initialize();
  });
  afterAll(() => shutdown(runtime));

  const x = (...shape: number[]) => zeros(shape);
  const window = { height: 4, width: 5, window: 7, heads: 2 };
  it.each<[string, () => Tensor, RegExp]>([
    ['rank', () => multiHeadAttention(x(8), x(4, 8), x(4, 8), { heads: 2 }), /\[T, C\] or \[batch, T, C\]/],
    ['heads', () => multiHeadAttention(x(4, 12), x(4, 12), x(4, 12), { heads: 2 }), /2 heads of a multiple of 4/],
    [
      'columns',
      () => multiHeadAttention(x(4, 24), x(4, 24), x(4, 24), { heads: 2, channels: 8, keyColumn: 20 }),
      /20 to 28/,
    ],
    ['batches', () => multiHeadAttention(x(2, 4, 8), x(3, 4, 8), x(3, 4, 8), { heads: 2 }), /equal or 1/],
    ['values', () => multiHeadAttention(x(4, 8), x(5, 8), x(4, 8), { heads: 2 }), /as many values as keys/],
    ['mask', () => multiHeadAttention(x(4, 8), x(5, 8), x(5, 8), { heads: 2, mask: x(4, 4) }), /mask of \[4 or 1, 5\]/],
    [
      'grid',
      () => {
        const relative = { height: 2, width: 3, rows: x(3, 4), columns: x(5, 4) };
        return multiHeadAttention(x(4, 8), x(4, 8), x(4, 8), { heads: 2, relative });
      },
      /2 x 3 queries and keys/,
    ],
    [
      'tables',
      () => {
        const relative = { height: 2, width: 2, rows: x(4, 4), columns: x(3, 4) };
        return multiHeadAttention(x(4, 8), x(4, 8), x(4, 8), { heads: 2, relative });
      },
      /tables of 3 and 3 x 4/,
    ],
    [
      'tokens of windows',
      () => relativeWindowAttention(x(21, 48), x(48), x(13, 8), x(13, 8), window),
      /4 x 5 tokens and 2 heads/,
    ],
    ['bias of windows', () => relativeWindowAttention(x(20, 48), x(16), x(13, 8), x(13, 8), window), /a bias of 48/],
    ['tables of windows', () => relativeWindowAttention(x(20, 48), x(48), x(13, 8), x(12, 8), window), /13 x 8/],
  ])('%s', (_, run, message) => {
    expect(run).toThrow(ShapeError);
    expect(run).toThrow(message);
  });
});
