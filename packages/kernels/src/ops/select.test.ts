import { describe, expect, it } from 'vitest';
import { type AdapterName, adapterNames, adapters } from '../../test/adapters.js';
import { type MatmulVariant, splitParts } from '../families/matmul/select.js';
import {
  biAttention,
  deformableAttention,
  depthwiseConv,
  gemm,
  labelPropagation,
  layerNorm,
  localGatedAttention,
  planGroupNorm,
  softmaxRows,
  windowAttention,
} from '../index.js';
import { planBiAttention } from './bi-attention/plan.js';
import { depthwiseQueue, depthwiseStrip } from './depthwise-conv/index.js';

type GemmShape = Parameters<typeof gemm.select>[0];

const gemmShape = (m: number, n: number, k: number, aligned = true): GemmShape => ({
  batch: 1,
  m,
  n,
  k,
  aligned,
  half: false,
});

describe('gemm', () => {
  const tiled: MatmulVariant[] = ['vector-64x128', 'vector-32x64', 'vector-32x32', 'tiled'];
  it.each<[AdapterName, MatmulVariant[]]>([
    ['software4', ['broadcast', ...tiled]],
    ['software8', ['broadcast', ...tiled]],
    ['software16', ['broadcast', ...tiled]],
    ['softwareNoSubgroups', tiled],
    ['integrated', tiled],
    ['integrated16', ['broadcast', ...tiled]],
    ['discrete', tiled],
    ['discrete64', tiled],
    ['discreteMatrix', [...tiled, 'subgroup-matrix']],
    ['least', tiled],
  ])('%s supports %j', (name, variants) => {
    expect(gemm.supported(gemmShape(64, 64, 64), adapters[name])).toEqual(variants);
  });

  it.each([
    [gemmShape(1, 4, 4), true],
    [gemmShape(7, 8, 12), true],
    [gemmShape(64, 63, 64), false],
    [gemmShape(64, 64, 62), false],
    [gemmShape(64, 64, 64, false), false],
  ])('broadcast needs vectors of 4: %j %s', (shape, possible) => {
    expect(gemm.supported(shape, adapters.software8).includes('broadcast')).toBe(possible);
  });

  it('subgroup-matrix needs f16, a known subgroup size, and workgroup memory', () => {
    for (const lacking of [{ f16: false }, { subgroupMatrix: false }, { subgroupSize: 0 }, { maxWorkgroupBytes: 8192 }])
      expect(gemm.supported(gemmShape(64, 64, 64), { ...adapters.discreteMatrix, ...lacking })).not.toContain(
        'subgroup-matrix',
      );
  });

  it.each<[AdapterName, GemmShape, MatmulVariant]>([
    ['software4', gemmShape(256, 512, 512), 'broadcast'],
    ['software8', gemmShape(1, 4, 4), 'broadcast'],
    ['software16', gemmShape(4096, 4096, 4096), 'broadcast'],
    ['software8', gemmShape(256, 511, 512), 'tiled'],
    ['software8', gemmShape(4096, 4095, 512), 'tiled'],
    ['softwareNoSubgroups', gemmShape(256, 512, 512), 'vector-32x32'],
    ['integrated16', gemmShape(256, 512, 512), 'vector-32x32'],
    ['discrete', gemmShape(256, 512, 512), 'vector-32x32'],
    ['discrete', gemmShape(256, 512, 510), 'tiled'],
    ['discrete', gemmShape(256, 512, 512, false), 'tiled'],
    // 128 workgroups of each tile, and one fewer.
    ['discrete', gemmShape(1024, 1024, 256), 'vector-64x128'],
    ['discrete', gemmShape(961, 1024, 256), 'vector-64x128'],
    ['discrete', gemmShape(960, 1024, 256), 'vector-32x64'],
    ['discrete', gemmShape(256, 1024, 256), 'vector-32x64'],
    ['discrete', gemmShape(224, 1024, 256), 'vector-32x32'],
    ['discrete', gemmShape(1, 4, 4), 'vector-32x32'],
    // Too few workgroups, but enough to do for several of each.
    ['discrete', gemmShape(960, 1024, 1024), 'split-k'],
    ['discrete', gemmShape(1024, 1024, 1024), 'vector-64x128'],
    ['discrete', { ...gemmShape(960, 1024, 128), taps: 9 }, 'split-k'],
    ['discrete', { ...gemmShape(512, 1024, 1024), batch: 2 }, 'vector-64x128'],
    ['discrete', gemmShape(960, 1022, 1024), 'tiled'],
    ['software8', gemmShape(960, 1024, 1024), 'broadcast'],
    ['least', gemmShape(4096, 4096, 256), 'vector-64x128'],
    ['discreteMatrix', gemmShape(4096, 4096, 4096), 'vector-64x128'],
  ])('%s, %j -> %s', (name, shape, variant) => {
    expect(gemm.select(shape, adapters[name])).toBe(variant);
  });

  it.each<[GemmShape, MatmulVariant]>([
    [gemmShape(4096, 4096, 64), 'subgroup-matrix'],
    [gemmShape(47, 4096, 4096), 'split-k'],
    [gemmShape(4096, 4095, 4096), 'tiled'],
  ])('matrix units allowed: %j -> %s', (shape, variant) => {
    expect(gemm.select(shape, { ...adapters.discreteMatrix, matrixUnits: true })).toBe(variant);
    expect(gemm.select(shape, { ...adapters.discrete, matrixUnits: true })).not.toBe('subgroup-matrix');
  });

  it('selects what is supported, and never subgroup-matrix by itself', () => {
    for (const name of adapterNames)
      for (const m of [1, 64, 1000, 5000])
        for (const n of [1, 4, 129, 4096])
          for (const aligned of [true, false]) {
            const shape = gemmShape(m, n, 64, aligned);
            const selected = gemm.select(shape, adapters[name]);
            expect(gemm.supported(shape, adapters[name])).toContain(selected);
            expect(selected).not.toBe('subgroup-matrix');
          }
  });
});

describe('parts of the inner dimension', () => {
  const { discrete } = adapters;
  it.each<[string, Parameters<typeof splitParts>[0], parts: number]>([
    ['few outputs', { m: 64, n: 128, k: 8192 }, 8],
    ['as many workgroups as the machine wants', { m: 1674, n: 512, k: 3352 }, 4],
    ['enough outputs', { m: 4096, n: 3072, k: 768 }, 1],
    ['at least 128 steps', { m: 64, n: 128, k: 300 }, 2],
    ['too few steps', { m: 64, n: 128, k: 255 }, 1],
    ['the taps of a convolution', { m: 64, n: 128, k: 64, taps: 9 }, 4],
    ['a batch', { m: 640, n: 1024, k: 4096, batch: 2 }, 3],
  ])('%s', (_, shape, parts) => {
    expect(splitParts(shape, discrete)).toBe(parts);
  });

  it('fit into a binding', () => {
    const shape = { m: 1674, n: 512, k: 3352 };
    expect(splitParts(shape, { ...discrete, maxBindingBytes: 3 * 4 * 1674 * 512 })).toBe(3);
    expect(splitParts(shape, { ...discrete, maxBindingBytes: 4 * 1674 * 512 })).toBe(1);
  });
});

describe('kernels that shuffle on software adapters', () => {
  const local = { height: 8, width: 8, window: 3, depth: 4, channels: 4 };
  const windows = { height: 14, width: 14, window: 7, shift: 3, heads: 1, headSize: 32 };
  type Row = [AdapterName, supported: [string[], string[], string[]], selected: [string, string, string]];
  const all: Row[1] = [
    ['subgroup', 'workgroup'],
    ['broadcast', 'direct'],
    ['direct', 'broadcast'],
  ];
  const none: Row[1] = [['workgroup'], ['direct'], ['direct']];
  const gpu: Row[2] = ['workgroup', 'direct', 'direct'];
  const software: Row[2] = ['subgroup', 'broadcast', 'broadcast'];
  it.each<Row>([
    ['software4', all, software],
    ['software8', all, software],
    ['software16', all, software],
    ['softwareNoSubgroups', none, gpu],
    ['integrated', none, gpu],
    ['integrated16', all, gpu],
    ['discrete', [['subgroup', 'workgroup'], ['direct'], ['direct', 'broadcast']], gpu],
    ['discrete64', [['subgroup', 'workgroup'], ['direct'], ['direct', 'broadcast']], gpu],
    ['least', none, gpu],
  ])('%s: softmax, local attention, window attention', (name, supported, selected) => {
    const adapter = adapters[name];
    expect([
      softmaxRows.supported({ rows: 1, columns: 4 }, adapter),
      localGatedAttention.supported(local, adapter),
      windowAttention.supported(windows, adapter),
    ]).toEqual(supported);
    expect([
      softmaxRows.select({ rows: 1, columns: 4 }, adapter),
      localGatedAttention.select(local, adapter),
      windowAttention.select(windows, adapter),
    ]).toEqual(selected);
  });

  it('window attention wants subgroups that divide its 64 invocations', () => {
    expect(windowAttention.supported(windows, { ...adapters.discrete, subgroupSize: 128 })).toEqual(['direct']);
  });
});

describe('label-propagation', () => {
  const shape = { tokens: 64, positions: 9, depth: 4, channels: 4 };
  it.each(adapterNames)('%s: shuffles exactly on software adapters that can, and is supported', (name) => {
    const selected = labelPropagation.select(shape, adapters[name]);
    expect(selected).toBe(/^software\d/.test(name) ? 'broadcast' : 'workgroup');
    expect(labelPropagation.supported(shape, adapters[name])).toContain(selected);
  });
});

describe('layer-norm', () => {
  it.each(adapterNames)('%s: a row an invocation exactly on software adapters', (name) => {
    expect(layerNorm.select({ rows: 1, channels: 4 }, adapters[name])).toBe(
      name.startsWith('software') ? 'row' : 'workgroup',
    );
  });
});

describe('depthwise-conv', () => {
  const shape = (kernelHeight: number, kernelWidth: number, stride = 1, dilation = 1) => ({
    kernelHeight,
    kernelWidth,
    stride,
    dilation,
    outHeight: 8,
    outWidth: 8,
    channels: 4,
  });
  it.each([
    [shape(1, 1), 'streaming', 2],
    [shape(3, 3, 2), 'streaming', 2],
    [shape(5, 5), 'streaming', 2],
    [shape(1, 25), 'streaming', 2],
    [shape(2, 13), 'direct', 1],
    [shape(7, 7), 'direct', 1],
  ])('%j -> %s', (s, variant, count) => {
    expect(depthwiseConv.select(s, adapters.discrete)).toBe(variant);
    expect(depthwiseConv.supported(s, adapters.discrete)).toHaveLength(count);
    expect(depthwiseConv.supported(s, adapters.discrete)).toContain('direct');
  });

  it.each(adapterNames)('%s: long strips exactly on software adapters', (name) => {
    expect(depthwiseStrip(adapters[name])).toBe(name.startsWith('software') ? 64 : 16);
  });

  it.each([
    [shape(1, 1), 0],
    [shape(3, 3), 2],
    [shape(5, 5), 4],
    [shape(3, 3, 2), 1],
    [shape(5, 5, 2), 2],
    [shape(3, 3, 1, 2), 4],
    [shape(3, 4, 2), 1],
    [shape(3, 3, 4), 0],
  ])('queue of %j is %i', (s, queue) => {
    expect(depthwiseQueue(s.kernelWidth, s.stride, s.dilation)).toBe(queue);
    // As many outputs are begun when a column is loaded as reach it: the next one begins a stride later.
    expect(queue * s.stride).toBeLessThanOrEqual((s.kernelWidth - 1) * s.dilation);
    expect((queue + 1) * s.stride).toBeGreaterThan((s.kernelWidth - 1) * s.dilation);
  });
});

describe('group-norm', () => {
  it.each([
    [1, { chunk: 16, chunks: 1 }],
    [16, { chunk: 16, chunks: 1 }],
    [17, { chunk: 16, chunks: 2 }],
    [4096, { chunk: 16, chunks: 256 }],
    [4097, { chunk: 17, chunks: 241 }],
    [100_000, { chunk: 391, chunks: 256 }],
  ])('%i positions -> %j', (positions, plan) => {
    expect(planGroupNorm(positions)).toEqual(plan);
  });

  it('chunks cover the positions, none empty, at most 256', () => {
    for (let positions = 1; positions < 20_000; positions += 37) {
      const { chunk, chunks } = planGroupNorm(positions);
      expect(chunks).toBeLessThanOrEqual(256);
      expect(chunk * chunks).toBeGreaterThanOrEqual(positions);
      expect(chunk * (chunks - 1)).toBeLessThan(positions);
    }
  });
});

describe('deformable-attention and bi-attention', () => {
  it.each<[AdapterName, string, string]>([
    ['software8', 'head', 'row'],
    ['softwareNoSubgroups', 'head', 'row'],
    ['integrated', 'channel', 'workgroup'],
    ['discrete', 'channel', 'workgroup'],
    ['least', 'channel', 'workgroup'],
  ])('%s: %s, %s', (name, deformable, bi) => {
    expect(
      deformableAttention.select(
        { queries: 1, heads: 1, headSize: 4, levels: 1, points: 4, pixels: 1, boxes: false },
        adapters[name],
      ),
    ).toBe(deformable);
    expect(biAttention.select({ tokens: 1, columns: 4, channels: 4, width: 4 }, adapters[name])).toBe(bi);
  });

  it.each([
    [1, 4, 256],
    [22223, 4 * 6, 256],
    [22223, 4 * 195, 256],
    [22223, 4 * 256, 256],
    [100_000, 4 * 256, 1024],
  ])('divides %i tokens for %i columns of %i channels', (tokens, columns, channels) => {
    const { blockRows, chunk, chunks } = planBiAttention({ tokens, columns, channels });
    expect(chunk % 4).toBe(0);
    expect(blockRows % chunk).toBe(0);
    expect(chunks * chunk).toBeGreaterThanOrEqual(tokens);
    expect((chunks - 1) * chunk).toBeLessThan(tokens);
    // Scores, transposed weights of a block and the sums of all chunks, in bytes.
    expect(4 * columns * Math.min(blockRows, chunks * chunk)).toBeLessThanOrEqual(32 * 2 ** 20);
    expect(4 * chunks * columns * channels).toBeLessThanOrEqual((tokens > 30_000 ? 64 : 24) * 2 ** 20);
  });
});
