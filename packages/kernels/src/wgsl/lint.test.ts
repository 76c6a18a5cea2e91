import { describe, expect, it } from 'vitest';
import { lintWgsl } from './index.js';

const messages = (source: string) => lintWgsl(source).map(({ line, message }) => `${line}: ${message}`);

describe('var without an initialiser', () => {
  it.each([
    'fn f() {\n  var x: f32;\n}',
    'fn f() {\n  for (;;) {\n    let a = 1;\n    var acc: array<vec4f, 8>;\n  }\n}',
    'fn f() { if (true) {\nvar x : vec3<u32> ; // later\n} }',
  ])('is found: %j', (source) => {
    const found = lintWgsl(source);
    expect(found.map((f) => f.message)).toEqual(['var without an initialiser']);
    expect(source.split('\n')[found[0]!.line - 1]).toMatch(/var (x|acc)/);
  });

  it.each([
    'fn f() {\n  var x: f32 = 0.0;\n}',
    'fn f() {\n  var x = 0.0;\n}',
    'fn f() {\n  var acc = array<vec4f, 8>();\n}',
    'fn f() {\n  // var x: f32;\n}',
    // Module scope is zeroed once, as the language says.
    'var<private> x: f32;\nfn f() { x = 1.0; }',
    'var<workgroup> tile: array<f32, 64>;\nfn f() { tile[0] = 1.0; }',
  ])('accepts %j', (source) => expect(messages(source)).toEqual([]));
});

describe('bindings that are never used', () => {
  const binding = '@group(0) @binding(0) var<storage, read> a: array<f32>;\n';
  it('are found', () => {
    expect(messages(`${binding}fn f() {}`)).toEqual(['1: binding "a" is never used']);
    expect(messages(`// a\n${binding}fn f() { let ab = 1; } // a`)).toEqual(['2: binding "a" is never used']);
    expect(messages('\n@group(0) @binding(1) var<uniform> params: P;')).toEqual(['2: binding "params" is never used']);
  });

  it('used ones are accepted', () => {
    expect(messages(`${binding}fn f() -> f32 { return a[0]; }`)).toEqual([]);
    expect(messages(`${binding}fn f() { _ = a[0]; }`)).toEqual([]);
  });
});

describe('enable after a declaration', () => {
  it.each(['struct P { a: u32 }', 'fn f() {}', 'const N = 1u;', 'alias V = vec4f;', 'override x: f32 = 1.0;'])(
    'is found after %s',
    (declaration) => {
      expect(messages(`${declaration}\nenable f16;`)).toEqual(['2: enable after a declaration']);
    },
  );

  it('is accepted at the start, also after comments and other directives', () => {
    expect(messages('// a kernel\n\nenable f16;\nenable subgroups;\nstruct P { a: u32 }')).toEqual([]);
  });
});

it('finds everything at once, in order of lines', () => {
  const source = 'fn f() {\n  var x: f32;\n}\nenable f16;\n@group(0) @binding(0) var<storage, read> a: array<f32>;';
  expect(lintWgsl(source).map((f) => f.line)).toEqual([2, 4, 5]);
});
