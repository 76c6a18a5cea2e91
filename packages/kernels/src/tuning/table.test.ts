import { describe, expect, it } from 'vitest';
import type { AdapterClass } from '../device/adapter.js';
import { defineKernel } from '../dispatch/kernel.js';
import { TuningError } from './error.js';
import { fingerprint, shapeKey } from './fingerprint.js';
import { type AdapterIdentity, adapterIdentity, type TunedEntry, TuningTable, tableName } from './table.js';

const ADAPTER: AdapterIdentity = {
  vendor: 'nvidia',
  architecture: 'hopper',
  device: '0x2330',
  description: 'NVIDIA H100 550.54',
  subgroupSize: 32,
  maxInvocations: 1024,
  maxWorkgroupBytes: 49152,
};
const entry = (variant: string): TunedEntry => ({
  variant,
  selected: 'tiled',
  milliseconds: { tiled: 2, [variant]: 1 },
  share: 0.5,
});

describe('shapeKey', () => {
  it('names numbers and the flags that are set', () => {
    expect(shapeKey({ m: 12, n: 4, aligned: true, half: false })).toBe('m=12 n=4 aligned');
    expect(shapeKey({})).toBe('');
  });

  it('differs wherever shapes differ', () => {
    const keys = [
      { m: 1, n: 12 },
      { m: 11, n: 2 },
      { m: 1, n: 12, half: true },
      { n: 1, m: 12 },
    ].map(shapeKey);
    expect(new Set(keys).size).toBe(4);
  });
});

describe('fingerprint', () => {
  const op = (...templates: string[]) => ({
    name: 'op',
    kernels: templates.map((template) => defineKernel({ name: 'k', template })),
    supported: () => [],
    select: () => 'a',
    rounding: [],
    work: () => ({ flops: 0, bytes: 0 }),
  });

  it('changes with any source, and with where one ends', () => {
    const prints = [op('ab', 'c'), op('a', 'bc'), op('ab', 'd'), op('ab'), op('abc'), op()].map(fingerprint);
    expect(new Set(prints).size).toBe(6);
    expect(fingerprint(op('ab', 'c'))).toBe(prints[0]);
  });

  it('is that of the text as bundles have it, without comments and indentation', () => {
    const text = '// what it does\nfn f() {\n  return 1; // one\n\n}\n';
    expect(fingerprint(op(text))).toBe(fingerprint(op('\nfn f() {\nreturn 1;\n}\n')));
    expect(fingerprint(op(text))).not.toBe(fingerprint(op('\nfn f() {\nreturn 2;\n}\n')));
  });
});

describe('TuningTable', () => {
  it('forgets what was measured of kernels that have changed', () => {
    const table = new TuningTable(ADAPTER);
    table.set('gemm', 'old', 'm=1', entry('a'));
    table.set('gemm', 'old', 'm=2', entry('b'));
    table.set('softmax', 'old', 'rows=1', entry('c'));
    expect(table.get('gemm', 'old', 'm=1')).toEqual(entry('a'));
    expect(table.get('gemm', 'new', 'm=1')).toBeUndefined();
    table.set('gemm', 'new', 'm=3', entry('d'));
    expect(table.get('gemm', 'old', 'm=1')).toBeUndefined();
    expect(table.get('softmax', 'old', 'rows=1')).toEqual(entry('c'));
    expect(table.size).toBe(2);
  });

  it('merges: the newer measurement counts, and newer kernels', () => {
    const old = new TuningTable(ADAPTER);
    old.set('gemm', 'k1', 'm=1', entry('a'));
    old.set('gemm', 'k1', 'm=2', entry('a'));
    old.set('softmax', 'k1', 'rows=1', entry('a'));
    const newer = new TuningTable(ADAPTER);
    newer.set('gemm', 'k1', 'm=2', entry('b'));
    newer.set('softmax', 'k2', 'rows=2', entry('b'));
    old.merge(newer);
    expect(old.get('gemm', 'k1', 'm=1')).toEqual(entry('a'));
    expect(old.get('gemm', 'k1', 'm=2')).toEqual(entry('b'));
    expect(old.get('softmax', 'k1', 'rows=1')).toBeUndefined();
    expect(old.get('softmax', 'k2', 'rows=2')).toEqual(entry('b'));
  });

  it('reads what it has written, and writes the same whatever the order', () => {
    const one = new TuningTable(ADAPTER);
    one.set('gemm', 'k', 'm=1', entry('a'));
    one.set('gemm', 'k', '__proto__', entry('b'));
    one.set('conv2d', 'k', 'm=1', entry('c'));
    const read = TuningTable.parse(one.serialise(), ADAPTER, 'here');
    expect(read.get('gemm', 'k', 'm=1')).toEqual(entry('a'));
    expect(read.get('conv2d', 'k', 'm=1')).toEqual(entry('c'));
    const other = new TuningTable(ADAPTER);
    other.set('conv2d', 'k', 'm=1', entry('c'));
    other.set('gemm', 'k', '__proto__', entry('b'));
    other.set('gemm', 'k', 'm=1', entry('a'));
    expect(other.serialise()).toBe(one.serialise());
  });

  const good = () => {
    const table = new TuningTable(ADAPTER);
    table.set('gemm', 'k', 'm=1', entry('a'));
    return JSON.parse(table.serialise());
  };
  const parse = (json: unknown, adapter = ADAPTER) =>
    TuningTable.parse(typeof json === 'string' ? json : JSON.stringify(json), adapter, 'cache/here.json');

  it.each([
    ['no JSON', '{"format"'],
    ['another format', { ...good(), format: 'else' }],
    ['another version', { ...good(), version: 2 }],
    ['null', 'null'],
    ['a list', '[]'],
    ['operations that are a list', { ...good(), operations: [] }],
    ['no adapter', { ...good(), adapter: undefined }],
    ['an operation without kernels', { ...good(), operations: { gemm: { shapes: {} } } }],
    ['a shape without a time', { ...good(), operations: { gemm: { kernels: 'k', shapes: { x: { variant: 'a' } } } } }],
    [
      'a time that is none',
      { ...good(), operations: { gemm: { kernels: 'k', shapes: { x: { ...entry('a'), milliseconds: { a: 'b' } } } } } },
    ],
  ])('refuses %s and says where', (_, json) => {
    expect(() => parse(json)).toThrow(TuningError);
    expect(() => parse(json)).toThrow(/cache\/here\.json/);
    expect(() => parse(json)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  });

  it('refuses a table of another adapter, driver or subgroup size', () => {
    for (const change of [{ device: '0x2331' }, { description: 'NVIDIA H100 560.1' }, { subgroupSize: 16 }]) {
      expect(() => parse(good(), { ...ADAPTER, ...change })).toThrow(expect.objectContaining({ code: 'alien' }));
      expect(tableName({ ...ADAPTER, ...change })).not.toBe(tableName(ADAPTER));
    }
  });

  it('has a name that any file system takes', () => {
    expect(tableName(ADAPTER)).toMatch(/^nvidia-0x2330-[0-9a-f]{8}$/);
    expect(tableName({ ...ADAPTER, vendor: '../..', device: '', architecture: '' })).toMatch(/^adapter-[0-9a-f]{8}$/);
    expect(tableName({ ...ADAPTER, device: 'x'.repeat(500) }).length).toBeLessThan(64);
  });

  it('identifies an adapter by what it says and by what decides about kernels', () => {
    const { vendor, architecture, device, description, ...facts } = ADAPTER;
    const info = { vendor, architecture, device, description } as GPUAdapterInfo;
    expect(adapterIdentity(info, { kind: 'discrete', f16: true, ...facts } as AdapterClass)).toEqual(ADAPTER);
  });
});
