import { describe, expect, it } from 'vitest';
import { proposalLogits, tokenCentres, validProposals } from '../../src/grounding-dino/positions.js';
import { highest } from '../../src/grounding-dino/query-selection.js';
import { resolveTies } from '../../src/verify/tied-queries.js';

describe('highest', () => {
  it('gives indices in descending score, equal ones by index', () => {
    expect([...highest(Float32Array.of(1, 3, 2, 3, -1), 4)]).toEqual([1, 3, 2, 0]);
  });

  it('gives exactly as many, whatever ties at the end', () => {
    expect([...highest(Float32Array.of(1, 1, 2, 1, 1, 0), 3)]).toEqual([2, 0, 1]);
    const scores = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i * 12.9898) * 50);
    const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
    expect([...highest(scores, 900)]).toEqual(order.slice(0, 900));
  });

  it('gives all where there are fewer', () => {
    expect([...highest(Float32Array.of(-1e30, 5), 900)]).toEqual([1, 0]);
  });
});

describe('proposals', () => {
  const levels = [
    { height: 1, width: 4 },
    { height: 200, width: 1 },
  ];

  it('lie on their cells, larger on coarser levels', () => {
    const logits = proposalLogits(levels, Int32Array.of(6, 1), 99);
    const boxes = logits.map((logit) => 1 / (1 + Math.exp(-logit)));
    const expected = [0.5, 2.5 / 200, 0.1, 0.1, 0.375, 0.5, 0.05, 0.05];
    for (const [i, share] of expected.entries()) expect(boxes[i]).toBeCloseTo(share, 6);
    expect([...tokenCentres(levels).subarray(2, 4)]).toEqual([0.375, 0.5]);
    expect(() => proposalLogits(levels, Int32Array.of(204), 99)).toThrow(/token 204 of 204/);
  });

  it('count where they keep clear of the edges', () => {
    const valid = validProposals(levels);
    expect([...valid.subarray(0, 4)]).toEqual([1, 1, 1, 1]);
    // Rows 0, 1, 198 and 199 of 200 have their centres within a hundredth of the edge.
    expect([...valid.subarray(4, 7)]).toEqual([0, 0, 1]);
    expect(valid.subarray(4).reduce((a, b) => a + b)).toBe(196);
    expect([...proposalLogits(levels, Int32Array.of(4, 203), 99)]).toEqual(new Array(8).fill(99));
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
