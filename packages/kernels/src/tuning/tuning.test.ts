import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { matMul } from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import type { AdapterClass } from '../device/adapter.js';
import { defineKernel } from '../dispatch/kernel.js';
import { number } from '../op/arguments.js';
import { defineOp } from '../op/define.js';
import * as operations from '../ops/index.js';
import { type AnyOp, measurable } from './fingerprint.js';
import { adapterIdentity, TuningTable } from './table.js';
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
const declare = (template: string) =>
  defineOp({
    name: 'test',
    takes: { n: number },
    kernels: [defineKernel({ name: 'test', template })],
    supported: ({ n }: { n: number }): Variant[] => (n >= 64 ? ['slow', 'fast', 'large-only'] : ['slow', 'fast']),
    select,
    work: ({ n }) => ({ flops: n, bytes: n }),
    run(_: unknown, n: number): number {
      return n;
    },
  });
const op = declare('text');
const measured = (variant: string) => ({
  variant,
  selected: 'slow',
  milliseconds: { slow: 2, [variant]: 1 },
  share: 0.1,
});
const choose = (tuning: Tuning, n: number) => tuning.choose(op, { n }, [n]);

describe('Tuning', () => {
  it('goes by the rules where nothing was measured', () => {
    const tuning = new Tuning(IDENTITY, CLASS, { float32: matMul });
    select.mockClear();
    expect(choose(tuning, 8)).toBe('slow');
    expect(select).toHaveBeenCalledWith({ n: 8 }, CLASS);
    tuning.add(op, 'n=9', measured('fast'));
    expect(choose(tuning, 8)).toBe('slow');
  });

  it('uses what was measured, at once and of that shape only', () => {
    const tuning = new Tuning(IDENTITY, CLASS, { float32: matMul });
    expect(choose(tuning, 8)).toBe('slow');
    tuning.add(op, 'n=8', measured('fast'));
    for (let i = 0; i < 2; i++) expect([8, 9].map((n) => choose(tuning, n))).toEqual(['fast', 'slow']);
    tuning.use(new TuningTable(IDENTITY));
    expect(choose(tuning, 8)).toBe('slow');
  });

  it('ignores measurements of other kernels, of unknown ones, and of those that cannot compute the shape', () => {
    const tuning = new Tuning(IDENTITY, CLASS, { float32: matMul });
    tuning.add(op, 'n=8', measured('fast'));
    expect(choose(tuning, 8)).toBe('fast');
    expect(tuning.choose(declare('changed text'), { n: 8 }, [8])).toBe('slow');
    tuning.add(op, 'n=8', measured('subgroup-matrix'));
    expect(choose(tuning, 8)).toBe('slow');
    for (const n of [63, 64]) tuning.add(op, `n=${n}`, measured('large-only'));
    expect([63, 64].map((n) => choose(tuning, n))).toEqual(['slow', 'large-only']);
  });

  it('stays right when there were more shapes than it remembers', () => {
    const tuning = new Tuning(IDENTITY, CLASS, { float32: matMul });
    tuning.add(op, 'n=1', measured('fast'));
    for (let n = 1; n < 5000; n++) choose(tuning, n);
    expect(choose(tuning, 1)).toBe('fast');
  });

  it('shows every choice to the observer, and none after it', () => {
    const tuning = new Tuning(IDENTITY, CLASS, { float32: matMul });
    const seen: unknown[] = [];
    tuning.observe(({ key, args }) => seen.push([key, args]));
    for (const n of [1, 2, 1]) choose(tuning, n);
    tuning.observe(undefined);
    choose(tuning, 3);
    expect(seen).toEqual([1, 2, 1].map((n) => [`n=${n}`, [n]]));
  });
});

describe('force', () => {
  it('runs with one variant, whatever was measured, and says when nothing asked for it', () => {
    const tuning = new Tuning(IDENTITY, CLASS, { float32: matMul });
    tuning.add(op, 'n=8', measured('large-only'));
    expect(tuning.force('test', 'fast', () => choose(tuning, 8))).toBe('fast');
    expect(choose(tuning, 9)).toBe('slow');
    expect(() => tuning.force('other', 'fast', () => choose(tuning, 8))).toThrow(/other was to run as fast/);
    expect(choose(tuning, 9)).toBe('slow');
  });
});

describe('operations', () => {
  const ops = Object.values(operations).filter((value): value is typeof value & AnyOp => 'kernels' in Object(value));
  const source = dirname(dirname(fileURLToPath(import.meta.url)));
  const wgslFiles = (folder: string) =>
    readdirSync(join(source, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.wgsl'))
      .map((file) => [file, readFileSync(join(source, folder, file), 'utf8')] as const);

  it('void their measurements when any of their kernels changes', () => {
    expect(ops.length).toBeGreaterThan(30);
    const all = new Set(ops.flatMap(({ kernels }) => kernels.flatMap(({ sources }) => sources)));
    for (const [file, text] of [...wgslFiles('ops'), ...wgslFiles('families')]) {
      expect(all.has(text), `${file} is among the sources of an operation`).toBe(true);
    }
    const folders = new Set(readdirSync(join(source, 'ops')));
    for (const { name, kernels } of ops.filter((candidate) => folders.has(candidate.name))) {
      const own = new Set(kernels.flatMap(({ sources }) => sources));
      for (const [file, text] of wgslFiles(join('ops', name))) expect(own.has(text), `${name}: ${file}`).toBe(true);
    }
  });

  it('have names of their own', () => {
    expect(new Set(ops.map(({ name }) => name)).size).toBe(ops.length);
  });

  it('never try kernels of less than float32 precision', () => {
    const shape = { batch: 1, m: 1024, n: 1024, k: 1024, aligned: true, half: false, taps: 1, stride: 1, dilation: 1 };
    for (const product of [operations.gemm, operations.conv2d] as (typeof operations.conv2d)[]) {
      expect(product.supported(shape, CLASS)).toContain('subgroup-matrix');
      expect(measurable(product, shape, CLASS)).not.toContain('subgroup-matrix');
      expect(measurable(product, shape, CLASS).length).toBeGreaterThan(1);
      expect(measurable(product, shape, { ...CLASS, matrixUnits: true })).toEqual(['subgroup-matrix']);
    }
  });
});
