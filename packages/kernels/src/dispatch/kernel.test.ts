import { dispose, type Tensor, tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineKernel, initialize, KernelDefinitionError, type Launch, type Runtime, shutdown } from '../index.js';
import { WgslTemplateError } from '../wgsl/index.js';
import type { KernelSpec } from './kernel.js';

let runtime: Runtime;
let x: Tensor;
let out: Tensor;
beforeAll(async () => {
  runtime = await initialize({ backend: 'null' });
  x = tensor([1, 2, 3, 4]);
  out = runtime.allocate([4]);
});
afterAll(() => shutdown(runtime));

const TEMPLATE = `
struct Params {
  size: u32,
  first_row: i32,
  scale: f32,
  table: array<vec4u, 2>,
}
@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
#if ROW_MASK
@group(0) @binding(auto) var<storage, read> row_mask: array<i32>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;
@compute @workgroup_size(2)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.size) {
    out[id.x] = x[id.x] * params.scale + f32(params.first_row) + f32(params.table[0].x);
#if ROW_MASK
    out[id.x] *= f32(row_mask[id.x]);
#endif
  }
}`;
const kernel = defineKernel({ name: 'test/declared', template: TEMPLATE, optional: ['rowMask'] });
const uniforms = { size: 1, firstRow: -1, scale: 0.5, table: [1, 2, 3, 4, 5, 6, 7, 8] };
const launch = (change: Partial<Launch> = {}) => {
  const launched = { tensors: { x, out }, uniforms, invocations: 1, ...change } as Launch;
  runtime.launch(kernel, launched);
};

it('is launched with what its WGSL declares, by name', () => {
  const before = runtime.dispatchCount;
  launch();
  const rowMask = zeros([1], 'int32');
  launch({ tensors: { x, rowMask, out } });
  expect(runtime.dispatchCount).toBe(before + 2);
  dispose(rowMask);
});

it('shares a program, and tells those with optional bindings from those without', () => {
  expect(kernel.program(undefined, { x, out })).toBe(kernel.program(undefined, { x, out }));
  const masked = kernel.program(undefined, { x, out, rowMask: x });
  expect(masked).not.toBe(kernel.program(undefined, { x, out }));
  expect(masked.wgsl).toContain('@binding(2) var<storage, read_write> out');
  expect(masked.wgsl).toContain('@binding(3) var<uniform> params');
});

/** Launches that contradict the WGSL: the field at fault, and what is said of it. */
const WRONG: [string, () => Partial<Launch>, field: string, message: RegExp][] = [
  [
    'a uniform is missing',
    () => ({ uniforms: { ...uniforms, scale: undefined as never } }),
    'scale',
    /wants a number, got undefined/,
  ],
  [
    'a uniform is unknown',
    () => ({ uniforms: { ...uniforms, scael: 2 } }),
    'scael',
    /no uniform of it; there is size, firstRow/,
  ],
  [
    'a fraction for an integer',
    () => ({ uniforms: { ...uniforms, size: 1.5 } }),
    'size',
    /integer from 0 to 4294967295, got 1.5/,
  ],
  ['a negative number for u32', () => ({ uniforms: { ...uniforms, size: -1 } }), 'size', /got -1/],
  [
    'a number beyond i32',
    () => ({ uniforms: { ...uniforms, firstRow: 2 ** 31 } }),
    'first_row',
    /32 bits, got 2147483648/,
  ],
  ['NaN for a float', () => ({ uniforms: { ...uniforms, scale: Number.NaN } }), 'scale', /got NaN/],
  ['a list that is too short', () => ({ uniforms: { ...uniforms, table: [1, 2] } }), 'table', /a list of 8/],
  [
    'a fraction in a list',
    () => ({ uniforms: { ...uniforms, table: [1, 2, 3, 4, 5, 6, 7, 8.5] } }),
    'table',
    /a list of 8/,
  ],
  ['a binding is missing', () => ({ tensors: { x } }), 'out', /wants a tensor, got none/],
  ['a binding is null', () => ({ tensors: { x, out: null as never } }), 'out', /wants a tensor, got null/],
  ['a binding is no tensor', () => ({ tensors: { x: [1, 2] as never, out: x } }), 'x', /wants a tensor, got 1,2/],
  ['a binding is unknown', () => ({ tensors: { x, out, y: zeros([4]) } }), 'y', /no binding of it; there is x, out/],
  [
    'a tensor of another type',
    () => ({ tensors: { x: zeros([4], 'int32'), out } }),
    'x',
    /tensor of float32, got one of int32/,
  ],
  ['a parameter is unknown', () => ({ params: { VEC: true } }), 'VEC', /no parameter of it; there is ROW_MASK/],
  [
    'workgroups that cannot be folded',
    () => ({ invocations: 200_000 }),
    'num_workgroups',
    /100000 workgroups cannot be folded/,
  ],
];

describe('a launch that contradicts it', () => {
  it.each(WRONG)('%s', (_, change, field, message) => {
    const before = runtime.dispatchCount;
    expect(() => launch(change())).toThrow(KernelDefinitionError);
    expect(() => launch(change())).toThrow(message);
    expect(() => launch(change())).toThrow(expect.objectContaining({ kernel: 'test/declared', field }));
    expect(runtime.dispatchCount).toBe(before);
  });
});

describe('a declaration that contradicts itself fails where it stands', () => {
  const define = (change: { [Field in keyof KernelSpec]?: KernelSpec[Field] }) => () =>
    defineKernel({ name: 'test/broken', template: TEMPLATE, optional: ['rowMask'], ...change });

  it.each<[string, Parameters<typeof define>[0], field: string, message: RegExp]>([
    [
      'an optional binding that nothing depends on',
      { optional: ['gate'] },
      'gate',
      /kernel test\/broken: gate is optional, but nothing is behind #if GATE/,
    ],
    [
      'an optional binding that there is not',
      { template: TEMPLATE.replace('var<storage, read> row_mask', 'var<storage, read> rows') },
      'rowMask',
      /rowMask is optional, but there is only x, rows, out/,
    ],
    [
      'a parameter that the template does not have',
      { params: { ROW_MAKS: 1 } },
      'ROW_MAKS',
      /is no parameter of it; there is ROW_MASK/,
    ],
    ['no struct', { template: TEMPLATE.replace('struct Params', 'struct Other') }, 'Params', /Params is not declared/],
    [
      'a struct that no buffer holds',
      { template: TEMPLATE.replace(/^.*var<uniform>.*$/m, '') },
      'Params',
      /is declared, but no uniform buffer of it/,
    ],
    [
      'a uniform that no number fits',
      { template: TEMPLATE.replace('scale: f32', 'scale: mat2x2f') },
      'scale',
      /scale of struct Params is a mat2x2f/,
    ],
    [
      'a buffer without a number, in a branch that no launch may ever take',
      {
        template: TEMPLATE.replace(
          '@group(0) @binding(auto) var<storage, read> row_mask',
          'var<storage, read> row_mask',
        ),
      },
      'row_mask',
      /has no @group\(0\) @binding\(auto\)/,
    ],
  ])('%s', (_, change, field, message) => {
    expect(define(change)).toThrow(
      expect.objectContaining({ name: 'KernelDefinitionError', kernel: 'test/broken', field }),
    );
    expect(define(change)).toThrow(message);
  });

  it.each([
    ['a directive that there is not', TEMPLATE.replace('#endif', '#end'), /test\/broken:11: unknown directive "#end"/],
    [
      'a block that stays open',
      TEMPLATE.replace('#if ROW_MASK', '#if ROW_MASK\n#if ROW_MASK'),
      /test\/broken:9: there is no #endif/,
    ],
    ['an include that there is not', `${TEMPLATE}\n#include "other"`, /no include named "other"/],
    ['an expression that is none', TEMPLATE.replace('#if ROW_MASK', '#if ROW_MASK &&'), /ends too early/],
  ])('%s', (_, template, message) => {
    expect(define({ template })).toThrow(WgslTemplateError);
    expect(define({ template })).toThrow(message);
  });
});

it('breaks the lint only in the text that is compiled', () => {
  const broken = defineKernel({
    name: 'test/broken',
    template: TEMPLATE.replace('if (id.x', 'var y: f32;\n  if (id.x'),
  });
  const run = () =>
    runtime.launch(broken, { params: { ROW_MASK: false }, tensors: { x, out }, uniforms, invocations: 1 });
  expect(run).toThrow(KernelDefinitionError);
  expect(run).toThrow(/var without an initialiser/);
});
