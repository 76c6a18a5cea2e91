import { describe, expect, it } from 'vitest';
import { readInterface, WgslInterfaceError } from './index.js';

const BINDING = '@group(0) @binding(0) var<storage, read> x: array<f32>;\n';
const UNIFORM = '@group(0) @binding(1) var<uniform> params: Params;\n';
const uniformsOf = (members: string) => readInterface(`struct Params { ${members} }\n${BINDING}${UNIFORM}`).uniforms;

describe('bindings', () => {
  it('are read with their access and what tensors they take', () => {
    const wgsl = `alias T = vec4<f32>;
@group(0) @binding(0) var<storage, read> a: array<T>;
@group(0) @binding(1)
var<storage, read_write> b: array<atomic<i32>>;
@group(0) @binding(2) var<storage> words: array<vec2u>; // @binding(9)
var<workgroup> tile: array<f32, 4>;`;
    expect(readInterface(wgsl).bindings).toEqual([
      { name: 'a', access: 'read', dtype: 'float32' },
      { name: 'b', access: 'write', dtype: 'int32' },
      { name: 'words', access: 'read', dtype: undefined },
    ]);
  });

  it.each([
    ['no number', 'var<storage, read> y: array<f32>;', 'y', /no @group\(0\) @binding/],
    ['the number of another', `${BINDING}@group(0) @binding(0) var<storage> y: array<f32>;`, 'y', /number of another/],
    ['a gap', '@group(0) @binding(1) var<storage> y: array<f32>;', 'bindings', /numbered 1/],
    [
      'uniforms of another type',
      `${BINDING}@group(0) @binding(1) var<uniform> p: P;`,
      'p',
      /of P, not of struct Params/,
    ],
    ['uniforms without a struct', BINDING + UNIFORM, 'Params', /not declared/],
    ['a struct without uniforms', `struct Params { a: u32 }\n${BINDING}`, 'Params', /no uniform buffer/],
    [
      'uniforms before the last',
      'struct Params { a: u32 }\n@group(0) @binding(0) var<uniform> p: Params;\n@group(0) @binding(1) var<storage> y: array<f32>;',
      'Params',
      /before the last/,
    ],
  ])('%s', (_, wgsl, field, message) => {
    const read = () => readInterface(wgsl);
    expect(read).toThrow(WgslInterfaceError);
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ field }));
  });
});

describe('uniforms', () => {
  it('have the places of the uniform address space', () => {
    expect(uniformsOf('a: u32, b: vec2f, c: f32, d: vec3<i32>, e: i32, f: array<vec4u, 2>, g: f32,')).toEqual([
      { name: 'a', type: 'u32', offset: 0, length: 1 },
      { name: 'b', type: 'f32', offset: 2, length: 2 },
      { name: 'c', type: 'f32', offset: 4, length: 1 },
      { name: 'd', type: 'i32', offset: 8, length: 3 },
      { name: 'e', type: 'i32', offset: 11, length: 1 },
      { name: 'f', type: 'u32', offset: 12, length: 8 },
      { name: 'g', type: 'f32', offset: 20, length: 1 },
    ]);
  });

  it('are padded to 16 bytes', () => {
    expect(readInterface(`struct Params { a: u32 }\n${BINDING}${UNIFORM}`).uniformWords).toBe(4);
    expect(readInterface(BINDING).uniformWords).toBe(0);
  });

  it('are as many as a buffer holds', () => {
    const list = (count: number) => readInterface(`struct Params { a: array<vec4u, ${count}> }\n${BINDING}${UNIFORM}`);
    expect(list(4096).uniformWords).toBe(16384);
    expect(() => list(4097)).toThrow(
      expect.objectContaining({ field: 'Params', message: expect.stringContaining('takes 65552 bytes') }),
    );
  });

  it.each(['bool', 'f16', 'mat2x2f', 'Other', 'array<u32, 4>', 'array<vec2f, 4>'])('are no %s', (type) => {
    expect(() => uniformsOf(`a: u32, odd: ${type}`)).toThrow(expect.objectContaining({ field: 'odd' }));
  });
});

it('reads the size of a workgroup, by name as well, and whether its number is folded', () => {
  const size = (sides: string, rest = '') => readInterface(`${rest}\n@compute @workgroup_size(${sides}) fn main() {}`);
  expect(size('64').workgroupSize).toBe(64);
  expect(size('16, 8').workgroupSize).toBe(128);
  expect(size('LANES', 'const LANES = 32u;').workgroupSize).toBe(32);
  expect(size('64').folds).toBe(false);
  expect(size('64', 'fn f(@builtin(num_workgroups) n: vec3u) {}').folds).toBe(true);
});
