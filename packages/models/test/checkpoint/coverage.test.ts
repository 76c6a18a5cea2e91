import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Coverage } from '../../src/checkpoint/coverage.js';

it('counts every byte once', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(60))), (ranges) => {
      const coverage = new Coverage();
      const seen = new Set<number>();
      for (const [start, end] of ranges) {
        coverage.add(start, end);
        for (let i = start; i < end; i++) seen.add(i);
        expect(coverage.bytes).toBe(seen.size);
      }
    }),
  );
});
