import { describe, expect, it } from 'vitest';
import { proposals, tokenCentres } from '../../src/grounding-dino/positions.js';
import { highest } from '../../src/grounding-dino/query-selection.js';
import { resolveTies } from '../../src/verify/tied-queries.js';

describe('highest', () => {
  it('gives indices in descending score, equal ones by index', () => {
    expect([...highest(Float32Array.of(1, 3, 2, 3, -1), 4)]).toEqual([1, 3, 2, 0]);
  });

  it('gives all where there are fewer', () => {
    expect([...highest(Float32Array.of(-1e30, 5), 900)]).toEqual([1, 0]);
  });
});

describe('proposals', () => {
  it('lie on their cells, larger on coarser levels, and count where they keep clear of the edges', () => {
    const levels = [
      { height: 1, width: 4 },
      { height: 200, width: 1 },
    ];
    const { logits, valid } = proposals(levels);
    const box = (i: number) => [...logits.subarray(4 * i, 4 * i + 4)].map((logit) => 1 / (1 + Math.exp(-logit)));
    for (const [i, expected] of [0.375, 0.5, 0.05, 0.05].entries()) expect(box(1)[i]).toBeCloseTo(expected, 6);
    for (const [i, expected] of [0.5, 2.5 / 200, 0.1, 0.1].entries()) expect(box(6)[i]).toBeCloseTo(expected, 6);
    // Rows 0, 1, 198 and 199 of 200 have their centres within a hundredth of the edge.
    expect([...valid.subarray(0, 4)]).toEqual([1, 1, 1, 1]);
    expect(valid.subarray(4).reduce((a, b) => a + b)).toBe(196);
    expect([...valid.subarray(4, 7)]).toEqual([0, 0, 1]);
    expect([...logits.subarray(16, 20)]).toEqual([0, 0, 0, 0]);
    expect([...tokenCentres(levels).subarray(2, 4)]).toEqual([0.375, 0.5]);
  });
});

describe('resolveTies', () => {
  const scores = Float32Array.of(5, 9, 9.00001, 3, 3.00001, 1);

  it('exchanges neighbours that tie and differ', () => {
    expect([...resolveTies(scores, 5, [0, 1])!]).toEqual([1, 2, 0, 4, 3]);
    expect([...resolveTies(scores, 5, [0, 1, 3, 4])!]).toEqual([1, 2, 0, 3, 4]);
  });

  it('replaces the last one by the next candidate', () => {
    expect([...resolveTies(scores, 4, [3])!]).toEqual([2, 1, 0, 3]);
  });

  it('explains nothing else', () => {
    expect(resolveTies(scores, 5, [])).toBeUndefined();
    expect(resolveTies(scores, 5, [0])).toBeUndefined();
    expect(resolveTies(scores, 5, [1, 2])).toBeUndefined();
    expect(resolveTies(scores, 5, [2, 3])).toBeUndefined();
  });
});
