import { describe, expect, it } from 'vitest';
import type { AdapterClass } from '../device/adapter.js';
import {
  depthwiseQueue,
  depthwiseStrip,
  selectDepthwise,
  supportedDepthwiseVariants,
} from './depthwise-conv/select.js';
import { planGroupNorm } from './group-norm/select.js';
import { selectLayerNorm } from './layer-norm/select.js';
import { selectWindowAttention, supportedWindowAttentionVariants } from './window-attention/select.js';

const adapter = (overrides: Partial<AdapterClass>): AdapterClass => ({
  kind: 'discrete',
  subgroupSize: 32,
  f16: false,
  subgroupMatrix: false,
  maxBindingBytes: 2 ** 27,
  maxWorkgroupBytes: 16384,
  maxInvocations: 256,
  ...overrides,
});

describe('layer-norm', () => {
  it.each([
    ['software', 'row'],
    ['integrated', 'workgroup'],
    ['discrete', 'workgroup'],
  ] as const)('on a %s adapter: %s', (kind, variant) => {
    expect(selectLayerNorm(adapter({ kind }))).toBe(variant);
  });
});

describe('group-norm', () => {
  it.each([
    [1, 16, 1],
    [16, 16, 1],
    [17, 16, 2],
    [4096, 16, 256],
    [4097, 17, 241],
    [25_773, 101, 256],
  ])('%i positions: chunks of %i, %i of them', (positions, chunk, chunks) => {
    expect(planGroupNorm(positions)).toEqual({ chunk, chunks });
  });

  it('covers every position, and no chunk is empty', () => {
    for (let positions = 1; positions < 20_000; positions += 97) {
      const { chunk, chunks } = planGroupNorm(positions);
      expect(chunk * chunks).toBeGreaterThanOrEqual(positions);
      expect(chunk * (chunks - 1)).toBeLessThan(positions);
      expect(chunks).toBeLessThanOrEqual(256);
    }
  });
});

describe('depthwise-conv', () => {
  const shape = { kernelHeight: 3, kernelWidth: 3, stride: 1, dilation: 1 };

  it.each([
    [shape, 'streaming'],
    [{ ...shape, kernelHeight: 5, kernelWidth: 5 }, 'streaming'],
    [{ ...shape, kernelHeight: 7, kernelWidth: 7 }, 'direct'],
  ] as const)('%j: %s', (shape, variant) => {
    expect(selectDepthwise(shape)).toBe(variant);
    expect(supportedDepthwiseVariants(shape)).toContain(variant);
  });

  it.each([
    [shape, 2],
    [{ ...shape, stride: 2 }, 1],
    [{ ...shape, dilation: 2 }, 4],
    [{ ...shape, stride: 2, dilation: 2 }, 2],
    [{ ...shape, kernelWidth: 1 }, 0],
    [{ ...shape, kernelWidth: 5 }, 4],
  ])('%j: %i outputs are unfinished at a time', (shape, queue) => {
    expect(depthwiseQueue(shape)).toBe(queue);
  });

  it('takes longer strips where invocations run one after another', () => {
    expect(depthwiseStrip(adapter({ kind: 'software' }))).toBeGreaterThan(depthwiseStrip(adapter({})));
  });
});

describe('window-attention', () => {
  it.each([
    [adapter({ kind: 'software', subgroupSize: 8 }), 'shuffle', ['direct', 'shuffle']],
    [adapter({ kind: 'software', subgroupSize: 0 }), 'direct', ['direct']],
    [adapter({ subgroupSize: 32 }), 'direct', ['direct', 'shuffle']],
    [adapter({ subgroupSize: 128 }), 'direct', ['direct']],
  ] as const)('%#: %2$s', (adapterClass, variant, supported) => {
    expect(selectWindowAttention(adapterClass)).toBe(variant);
    expect(supportedWindowAttentionVariants(adapterClass)).toEqual(supported);
  });
});
