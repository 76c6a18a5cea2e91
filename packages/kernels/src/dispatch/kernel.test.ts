import { dispose, type Tensor, tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineKernel, initialize, KernelDefinitionError, type Launch, type Runtime, shutdown } from '../index.js';

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
  ['a binding is unknown', () => ({ tensors: { x, out, y: zeros([4]) } }), 'y', /no binding of it; there is x, out/],
  [
    'a tensor of another type',
    () => ({ tensors: { x: zeros([4], 'int32'), out } }),
    'x',
    /tensor of float32, got one of int32/,
  ],
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

describe('a declaration that contradicts itself', () => {
  it('lists an optional binding that its template does not know', () => {
    const define = () => defineKernel({ name: 'test/optional', template: TEMPLATE, optional: ['gate'] });
    expect(define).toThrow(/kernel test\/optional: gate is optional, but nothing is behind #if GATE/);
  });

  it.each([
    ['has no struct', TEMPLATE.replace('struct Params', 'struct Other'), /Params is not declared/],
    [
      'has a member that no number fits',
      TEMPLATE.replace('scale: f32', 'scale: mat2x2f'),
      /scale of struct Params is a mat2x2f/,
    ],
    ['breaks the lint', TEMPLATE.replace('if (id.x', 'var y: f32;\n  if (id.x'), /var without an initialiser/],
  ])('%s', (_, template, message) => {
    const broken = defineKernel({ name: 'test/broken', template });
    const params = { ROW_MASK: false };
    const run = () => runtime.launch(broken, { params, tensors: { x, out }, uniforms, invocations: 1 });
    expect(run).toThrow(KernelDefinitionError);
    expect(run).toThrow(message);
  });
});
