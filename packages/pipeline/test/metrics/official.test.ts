import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { threeDecimals } from '../../src/metrics/csv.js';
import { evaluateDavis } from '../../src/metrics/index.js';
import { average } from '../../src/metrics/statistics.js';

/** Folder with `davis-2016-dev` (DAVIS, not free) and `osvos-results-dev` (results and the official code's scores of them). */
const data = process.env['SAMTRACK_DATA'] ?? '';

test.skipIf(!existsSync(join(data, 'osvos-results-dev')))(
  'J and F of every frame are those of the official code (needs SAMTRACK_DATA)',
  async () => {
    const results = join(data, 'osvos-results-dev');
    const official: Record<string, { J: number[]; F: number[] }> = JSON.parse(
      readFileSync(join(results, 'official-jf.json'), 'utf8'),
    );
    const { sequences } = await evaluateDavis({ root: join(data, 'davis-2016-dev'), results, year: 2016 });
    expect(sequences.map(({ name }) => name)).toEqual(Object.keys(official).sort());
    let frames = 0;
    for (const { name, objects } of sequences) {
      const { j, f } = objects[0]!;
      for (const [ours, theirs] of [
        [j, official[name]!.J],
        [f, official[name]!.F],
      ] as const) {
        expect(ours).toHaveLength(theirs.length);
        for (const [i, value] of ours.entries()) expect(Math.abs(value - theirs[i]!)).toBeLessThan(1e-6);
        frames += ours.length;
      }
    }
    expect(frames).toBe(458);
  },
);

describe('the official code’s numbers of six sequences', () => {
  interface Vectors {
    M: [jf: number, j: number, jr: number, jd: number, f: number, fr: number, fd: number];
    perJ: Record<string, number>;
    perF: Record<string, number>;
    perJR: number[];
    perJD: number[];
    perFD: number[];
  }
  const vectors: Record<'semi-supervised' | 'unsupervised', Vectors> = JSON.parse(
    readFileSync(new URL('../fixtures/davis-vectors.json', import.meta.url), 'utf8'),
  );

  test.each(['semi-supervised', 'unsupervised'] as const)('%s: means are over objects, each with weight 1', (task) => {
    const { M, perJ, perF, perJR, perJD, perFD } = vectors[task];
    const objects = Object.values(perJ);
    expect(objects).toHaveLength(16);
    expect(average(objects)).toBeCloseTo(M[1], 14);
    expect(average(perJR)).toBeCloseTo(M[2], 14);
    expect(average(perJD)).toBeCloseTo(M[3], 14);
    expect(average(Object.values(perF))).toBeCloseTo(M[4], 14);
    expect(average(perFD)).toBeCloseTo(M[6], 14);
    expect((average(objects) + average(Object.values(perF))) / 2).toBeCloseTo(M[0], 14);
    expect(M.map(threeDecimals)).toEqual(M.map((value) => value.toFixed(3)));
  });
});
