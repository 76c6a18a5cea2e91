import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { draw, findFaults, imports, withMap } from './map.mjs';

const pairs = imports();

describe('the house', () => {
  it('has been read', () => {
    expect(pairs.length).toBeGreaterThan(1000);
    expect(pairs).toContainEqual(['packages/kernels/src/ops/gemm/index.ts', 'packages/kernels/src/op/define.ts']);
    expect(pairs).toContainEqual(['packages/kernels/src/device/index.ts', 'packages/kernels/src/device/web/index.ts']);
    expect(pairs).toContainEqual(['packages/models/src/sam/mask-decoder.ts', 'packages/kernels/src/index.ts']);
  });

  it('imports downward only, and everything in kernels and models has a floor', () => {
    expect(findFaults(pairs)).toEqual([]);
  });

  it('is drawn in CONTRIBUTING.md as it is (npm run map)', () => {
    const document = readFileSync(new URL('../CONTRIBUTING.md', import.meta.url), 'utf8');
    expect(withMap(document, draw(pairs))).toBe(document);
  });
});

describe('findFaults', () => {
  const file = (room) => `packages/kernels/src/${room}/index.ts`;
  it.each([
    ['up', [file('dispatch'), file('tuning')], /above it/],
    ['aside', [file('ops/gemm'), file('tuning')], /beside it/],
  ])('finds an import that goes %s', (_, pair, message) => {
    expect(findFaults([pair])).toEqual([expect.stringMatching(message)]);
  });

  it('finds files that import each other, however many', () => {
    const [a, b, c] = ['define', 'arguments', 'view'].map((name) => `packages/kernels/src/op/${name}.ts`);
    expect(
      findFaults([
        [a, b],
        [b, c],
      ]),
    ).toEqual([]);
    expect(
      findFaults([
        [a, b],
        [b, c],
        [c, a],
      ]),
    ).toEqual([`${a} imports ${b} imports ${c} imports ${a}: a circle`]);
  });

  it('accepts those that go down, over several floors as well', () => {
    expect(
      findFaults([
        [file('ops'), file('device')],
        [file('ops'), file('ops/gemm')],
      ]),
    ).toEqual([]);
  });
});
