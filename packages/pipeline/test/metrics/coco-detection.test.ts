/** COCO's scores of boxes against pycocotools, on generated cases; see `fixtures/coco-detection.py`. */
import { describe, expect, it } from 'vitest';
import { type CocoAnnotation, type CocoResult, evaluateCocoBoxes } from '../../src/metrics/index.js';
import cases from '../fixtures/coco-detection.json' with { type: 'json' };

type CocoBox = CocoResult['bbox'];
const truthOf = (row: number[]): CocoAnnotation => {
  const [image_id, category_id, x, y, width, height, area, iscrowd] = row as [
    number,
    number,
    ...CocoBox,
    number,
    number,
  ];
  return { image_id, category_id, bbox: [x, y, width, height], area, iscrowd };
};
const resultOf = (row: number[]): CocoResult => {
  const [image_id, category_id, x, y, width, height, score] = row as [number, number, ...CocoBox, number];
  return { image_id, category_id, bbox: [x, y, width, height], score };
};
const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe('evaluateCocoBoxes', () => {
  it.each(cases.map((one, i) => [i + 1, one] as const))('scores case %d as pycocotools does', (_, one) => {
    const scores = evaluateCocoBoxes(one.truth.map(truthOf), one.results.map(resultOf), range(one.images));
    expect(Object.keys(scores)).toEqual(Object.keys(one.scores));
    for (const [name, value] of Object.entries(one.scores)) {
      expect(scores[name as keyof typeof scores], name).toBeCloseTo(value, 10);
    }
  });

  it('is 1 for the truth itself and 0 for nothing', () => {
    const truth = cases[0]!.truth.map(truthOf);
    const results = truth.map(({ image_id, category_id, bbox }) => ({ image_id, category_id, bbox, score: 1 }));
    expect(evaluateCocoBoxes(truth, results, range(12))).toMatchObject({ ap: expect.closeTo(1), ar100: 1 });
    expect(evaluateCocoBoxes(truth, [], range(12))).toMatchObject({ ap: 0, ap50: 0, ar100: 0 });
  });

  it('looks at the images given, and has no score where they have no objects', () => {
    const { truth, results } = { truth: cases[0]!.truth.map(truthOf), results: cases[0]!.results.map(resultOf) };
    expect(evaluateCocoBoxes(truth, results, [])).toMatchObject({ ap: -1, ar100: -1 });
    const some = evaluateCocoBoxes(truth, results, [1, 2, 3]);
    const own = ({ image_id }: { image_id: number }) => image_id <= 3;
    expect(evaluateCocoBoxes(truth.filter(own), results.filter(own), [3, 1, 2])).toEqual(some);
    expect(some).not.toEqual(evaluateCocoBoxes(truth, results, range(12)));
  });
});
