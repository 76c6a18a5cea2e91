import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { matMul } from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import type { AdapterClass } from '../device/adapter.js';
import { tunedBiAttention } from '../ops/bi-attention/tuning.js';
import { tunedConv2d } from '../ops/conv2d/tuning.js';
import { tunedDeformableAttention } from '../ops/deformable-attention/tuning.js';
import { tunedDepthwise } from '../ops/depthwise-conv/tuning.js';
import { supportedGemmVariants } from '../ops/gemm/select.js';
import { tunedGemm } from '../ops/gemm/tuning.js';
import { tunedLayerNorm } from '../ops/layer-norm/tuning.js';
import { tunedLocalAttention } from '../ops/local-attention/tuning.js';
import { tunedMultiHeadAttention } from '../ops/multi-head-attention/tuning.js';
import { tunedSoftmax } from '../ops/softmax/tuning.js';
import { tunedRelativeWindowAttention } from '../ops/window-attention/relative.js';
import { tunedWindowAttention } from '../ops/window-attention/tuning.js';
import { adapterIdentity, TuningTable } from './table.js';
import type { AnyTunedOp, TunedOp } from './tuned-op.js';
import { Tuning } from './tuning.js';

const CLASS: AdapterClass = {
  kind: 'discrete',
  subgroupSize: 32,
  f16: true,
  subgroupMatrix: true,
  maxBindingBytes: 2 ** 30,
  maxWorkgroupBytes: 49152,
  maxInvocations: 1024,
};
const IDENTITY = adapterIdentity(
  { vendor: 'v', architecture: 'a', device: 'd', description: '' } as GPUAdapterInfo,
  CLASS,
);

type Variant = 'slow' | 'fast' | 'large-only';
const select = vi.fn((): Variant => 'slow');
const op: TunedOp<{ n: number }, Variant> = {
  name: 'test',
  sources: ['text'],
  variants: ({ n }) => (n >= 64 ? ['slow', 'fast', 'large-only'] : ['slow', 'fast']),
  select,
  work: ({ n }) => ({ flops: n, bytes: n }),
};
const run = (_x: number, _options: { variant?: Variant }) => {};
const measured = (variant: string) => ({
  variant,
  selected: 'slow',
  milliseconds: { slow: 2, [variant]: 1 },
  share: 0.1,
});
const choose = (tuning: Tuning, n: number) => tuning.choose(op, { n }, run, [n, {}]);

describe('Tuning', () => {
  it('goes by the rules where nothing was measured', () => {
    const tuning = new Tuning(IDENTITY, CLASS, matMul);
    select.mockClear();
    expect(choose(tuning, 8)).toBe('slow');
    expect(select).toHaveBeenCalledWith({ n: 8 }, CLASS);
    tuning.add(op, 'n=9', measured('fast'));
    expect(choose(tuning, 8)).toBe('slow');
  });

  it('uses what was measured, at once and of that shape only', () => {
    const tuning = new Tuning(IDENTITY, CLASS, matMul);
    expect(choose(tuning, 8)).toBe('slow');
    tuning.add(op, 'n=8', measured('fast'));
    for (let i = 0; i < 2; i++) expect([8, 9].map((n) => choose(tuning, n))).toEqual(['fast', 'slow']);
    tuning.use(new TuningTable(IDENTITY));
    expect(choose(tuning, 8)).toBe('slow');
  });

  it('ignores measurements of other kernels, of unknown ones, and of those that cannot compute the shape', () => {
    const tuning = new Tuning(IDENTITY, CLASS, matMul);
    tuning.add(op, 'n=8', measured('fast'));
    expect(choose(tuning, 8)).toBe('fast');
    expect(tuning.choose({ ...op, sources: ['changed text'] }, { n: 8 }, run, [8, {}])).toBe('slow');
    tuning.add(op, 'n=8', measured('subgroup-matrix'));
    expect(choose(tuning, 8)).toBe('slow');
    for (const n of [63, 64]) tuning.add(op, `n=${n}`, measured('large-only'));
    expect([63, 64].map((n) => choose(tuning, n))).toEqual(['slow', 'large-only']);
  });

  it('stays right when there were more shapes than it remembers', () => {
    const tuning = new Tuning(IDENTITY, CLASS, matMul);
    tuning.add(op, 'n=1', measured('fast'));
    for (let n = 1; n < 5000; n++) choose(tuning, n);
    expect(choose(tuning, 1)).toBe('fast');
  });

  it('shows every choice to the observer, and none after it', () => {
    const tuning = new Tuning(IDENTITY, CLASS, matMul);
    const seen: unknown[] = [];
    tuning.observe(({ key, args }) => seen.push([key, args]));
    for (const n of [1, 2, 1]) choose(tuning, n);
    tuning.observe(undefined);
    choose(tuning, 3);
    expect(seen).toEqual([1, 2, 1].map((n) => [`n=${n}`, [n, {}]]));
  });
});

describe('operations that are tuned', () => {
  const folders: [string, AnyTunedOp, string[]?][] = [
    ['bi-attention', tunedBiAttention],
    ['conv2d', tunedConv2d, ['gemm']],
    ['deformable-attention', tunedDeformableAttention],
    ['depthwise-conv', tunedDepthwise],
    ['gemm', tunedGemm],
    ['layer-norm', tunedLayerNorm],
    ['local-attention', tunedLocalAttention],
    ['multi-head-attention', tunedMultiHeadAttention],
    ['softmax', tunedSoftmax],
    ['window-attention', tunedWindowAttention],
    ['window-attention', tunedRelativeWindowAttention],
  ];

  it.each(folders)('%s: void its measurements when any of its kernels changes', (folder, { sources }, others = []) => {
    for (const name of [folder, ...others]) {
      const path = join(dirname(fileURLToPath(import.meta.url)), '..', 'ops', name);
      for (const file of readdirSync(path).filter((entry) => entry.endsWith('.wgsl'))) {
        expect(sources.includes(readFileSync(join(path, file), 'utf8')), `${name}/${file} is among the sources`).toBe(
          true,
        );
      }
    }
  });

  it('have names of their own', () => {
    expect(new Set(folders.map(([, { name }]) => name)).size).toBe(folders.length);
  });

  it('never try kernels of less than float32 precision', () => {
    const shape = { batch: 1, m: 1024, n: 1024, k: 1024, aligned: true, half: false, taps: 1, stride: 1, dilation: 1 };
    expect(supportedGemmVariants(shape, CLASS)).toContain('subgroup-matrix');
    for (const { variants } of [tunedGemm, tunedConv2d]) {
      expect(variants(shape, CLASS)).not.toContain('subgroup-matrix');
      expect(variants(shape, CLASS).length).toBeGreaterThan(1);
    }
  });
});
