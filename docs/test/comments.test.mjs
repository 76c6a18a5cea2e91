import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { findGaps } from '../src/comments.mjs';

it('every public symbol has a doc comment that says shapes, units, errors and source where they apply', () => {
  const { gaps, symbols } = findGaps();
  expect(symbols).toBeGreaterThan(700);
  expect(gaps).toEqual([]);
});

it('what is missing is found', () => {
  const file = fileURLToPath(new URL('fixtures/undocumented.ts', import.meta.url));
  const { gaps } = findGaps([{ name: 'fixture', file }]);
  expect(gaps.map((gap) => gap.replace(/^.*undocumented\.ts:\d+ /, '')).sort()).toEqual(
    [
      'Options.bias: can be left out, and not be undefined',
      'Options.timeout: can be left out, and not be undefined',
      'Options.bias: is a tensor, and does not say its shape',
      'Options.run: has no doc comment',
      'Options.timeout: does not say its unit',
      'fails: throws RangeError, and does not say so',
      'takes: takes tensors, and does not say their shapes',
      'Bare: has no doc comment',
      'fixture: the module has no doc comment',
    ].sort(),
  );
});
