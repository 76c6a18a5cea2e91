// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates of the preprocessor look like that.
import { describe, expect, it } from 'vitest';
import { preprocess, type WgslParams, WgslTemplateError } from './index.js';

const run = (template: string | string[], params: WgslParams = {}, includes: Record<string, string> = {}) =>
  preprocess('t', Array.isArray(template) ? template.join('\n') : template, params, includes);

/** The template and line that an error names, and its message. */
function failure(template: string[], params: WgslParams = {}, includes: Record<string, string> = {}) {
  try {
    run(template, params, includes);
  } catch (error) {
    expect(error).toBeInstanceOf(WgslTemplateError);
    const { template: name, line, message } = error as WgslTemplateError;
    expect(message.startsWith(`${name}:${line}: `)).toBe(true);
    return message;
  }
  throw new Error('no error');
}

describe('substitution', () => {
  it('leaves plain text alone', () => {
    expect(run('let a = 1u; // $5, {b}\n\nfn f() {}')).toBe('let a = 1u; // $5, {b}\n\nfn f() {}');
  });

  it('puts in parameters and expressions', () => {
    expect(run('x$N + ${N * 2 + 1}u ${NAME}', { N: 3, NAME: 'vec4f' })).toBe('x3 + 7u vec4f');
    expect(run('${ON} ${OFF}', { ON: true, OFF: false })).toBe('1 0');
  });

  it('takes a bare name as long as it goes', () => {
    expect(run('a$Nb', { Nb: 1 })).toBe('a1');
    expect(failure(['a$Nb'], { N: 1 })).toBe('t:1: unknown parameter "Nb"');
  });
});

describe('expressions', () => {
  it.each<[string, number]>([
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 3 - 2', 5],
    ['7 / 2', 3],
    ['-7 / 2', -3],
    ['7 % 4', 3],
    ['2 * -3', -6],
    ['A * B', 12],
    ['A < B', 1],
    ['A <= 3', 1],
    ['A > B', 0],
    ['B >= 5', 0],
    ['A == 3 && B != 3', 1],
    ['A == 4 || B == 4', 1],
    ['A == 4 || B == 5 && 1', 0],
    ['!ON', 0],
    ['!(A == 4)', 1],
    ["KIND == 'relu'", 1],
    ["KIND != 'relu'", 0],
    ["KIND == ''", 0],
    ['ON && !OFF', 1],
    ['1.5 + 1', 2.5],
  ])('%s is %d', (expression, value) => {
    expect(run(`\${${expression}}`, { A: 3, B: 4, KIND: 'relu', ON: true, OFF: false })).toBe(String(value));
  });

  it.each([
    ['1 +', '"1 +" ends too early'],
    ['(1', 'missing ")" in "(1"'],
    ['1 2', 'unexpected "2" in "1 2"'],
    ['1 ? 2', 'cannot read "? 2"'],
    ['* 2', 'unexpected "*" in "* 2"'],
    ['C + 1', 'unknown parameter "C"'],
    ['', '"" ends too early'],
  ])('refuses "%s"', (expression, message) => {
    expect(failure(['', `a \${${expression}} b`])).toBe(`t:2: ${message}`);
  });
});

describe('#if', () => {
  const template = ['#if A == 1', 'one', '#elif A == 2', 'two', '#elif A == 3', 'three', '#else', 'other', '#endif'];
  it.each([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
    [4, 'other'],
  ])('A = %i takes the branch "%s"', (A, text) => expect(run(template, { A })).toBe(text));

  it('takes the first branch that holds', () => {
    expect(run(['#if A', '1', '#elif A', '2', '#endif'], { A: 1 })).toBe('1');
  });

  it('leaves nothing without a branch', () => {
    expect(run(['a', '#if A', 'b', '#endif', 'c'], { A: 0 })).toBe('a\nc');
  });

  it('nests, also in the branches not taken', () => {
    const nested = ['#if A', '#if B', 'ab', '#else', 'a', '#endif', '#else', '#if B', 'b', '#endif', '#endif', 'end'];
    expect(run(nested, { A: 1, B: 1 })).toBe('ab\nend');
    expect(run(nested, { A: 1, B: 0 })).toBe('a\nend');
    expect(run(nested, { A: 0, B: 1 })).toBe('b\nend');
    expect(run(nested, { A: 0, B: 0 })).toBe('end');
  });

  it('evaluates nothing in a branch not taken', () => {
    expect(run(['#if A', '${UNKNOWN}', '#bogus', '#endif', 'x'], { A: 0 })).toBe('x');
  });

  it.each<[string[], string]>([
    [['x', '#if A', 'y'], 't:2: #if without #endif'],
    [['#if A', '#if A', '#endif'], 't:1: #if without #endif'],
    [['#if MISSING', '#endif'], 't:1: unknown parameter "MISSING"'],
    [['a', 'b', '#endif'], 't:3: unknown directive "#endif"'],
    [['#else'], 't:1: unknown directive "#else"'],
    [['#define A 1'], 't:1: unknown directive "#define A 1"'],
  ])('%j fails with %s', (lines, message) => expect(failure(lines, { A: 1 })).toBe(message));
});

describe('#unroll', () => {
  it('repeats with the counter, from start to before end', () => {
    expect(run(['#unroll i 1 N', 'a$i = ${i * 4}u;', '#endunroll'], { N: 4 })).toBe('a1 = 4u;\na2 = 8u;\na3 = 12u;');
  });

  it('repeats nothing when the range is empty', () => {
    expect(run(['x', '#unroll i 2 2', 'a$i', '#endunroll', 'y'])).toBe('x\ny');
  });

  it('takes expressions without spaces as bounds, nests, and combines with #if', () => {
    expect(
      run(['#unroll i 0 N/2', '#unroll j i N-1', '#if i != j', '${i}_$j', '#endif', '#endunroll', '#endunroll'], {
        N: 4,
      }),
    ).toBe('0_1\n0_2\n1_2');
  });

  it('hides a parameter of the same name only inside', () => {
    expect(run(['$i', '#unroll i 0 1', '$i', '#endunroll', '$i'], { i: 9 })).toBe('9\n0\n9');
  });

  it.each<[string[], string]>([
    [['#unroll i 0 2', 'x'], 't:1: #unroll without #endunroll'],
    [['x', '#unroll i 0 M', 'x', '#endunroll'], 't:2: unknown parameter "M"'],
    [['#unroll i 0 2', 'ok', '$k', '#endunroll'], 't:3: unknown parameter "k"'],
    [['#endunroll'], 't:1: unknown directive "#endunroll"'],
  ])('%j fails with %s', (lines, message) => expect(failure(lines)).toBe(message));
});

describe('#include', () => {
  it('expands the included text with the same parameters and unroll counters', () => {
    expect(
      run(
        ['#unroll i 0 2', '#include "part"', '#endunroll'],
        { N: 5 },
        { part: 'p$i ${N}\n#include "leaf"', leaf: 'l' },
      ),
    ).toBe('p0 5\nl\np1 5\nl');
  });

  it('names the included text and its line in errors', () => {
    expect(failure(['', '#include "part"'], {}, { part: 'ok\n$X' })).toBe('part:2: unknown parameter "X"');
    expect(failure(['', '#include "other"'], {}, { part: '' })).toBe('t:2: no include named "other"');
  });
});

describe('@binding(auto)', () => {
  it('counts bindings in the order of the text that is left, through includes', () => {
    const template = [
      '@binding(auto) a',
      '#if MASK',
      '@binding(auto) m',
      '#endif',
      '#include "rest"',
      '@binding(auto) z',
    ];
    const includes = { rest: '@binding(auto) b' };
    expect(run(template, { MASK: false }, includes)).toBe('@binding(0) a\n@binding(1) b\n@binding(2) z');
    expect(run(template, { MASK: true }, includes)).toBe('@binding(0) a\n@binding(1) m\n@binding(2) b\n@binding(3) z');
  });
});
