import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { encodeLabelPng, type LabelMap } from '../../src/io/index.js';
import { threeDecimals } from '../../src/metrics/csv.js';
import {
  assignBest,
  type BinaryMask,
  boundaryPixels,
  boundaryTolerance,
  type EvaluationFrame,
  evaluateDavis,
  evaluateSequence,
  quarterEdges,
  runMetrics,
  scoreMask,
  statistics,
  summarise,
} from '../../src/metrics/index.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';

/** A mask from a predicate on (x, y). */
const maskOf = (width: number, height: number, inside: (x: number, y: number) => boolean): BinaryMask => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height }, (_, i) => (inside(i % width, Math.floor(i / width)) ? 1 : 0)),
});
const W = 64;
const H = 48;
const empty = maskOf(W, H, () => false);
const full = maskOf(W, H, () => true);
const square = (left: number, top: number, size: number) =>
  maskOf(W, H, (x, y) => x >= left && x < left + size && y >= top && y < top + size);

/** The measures by the definition, pixel by pixel and with whole disks: slow, and written without any of the tricks under test. */
const naive = {
  boundary({ width, height, data }: BinaryMask): boolean[] {
    const at = (x: number, y: number) => Boolean(data[y * width + x]);
    return Array.from({ length: width * height }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      if (x === width - 1 && y === height - 1) return false;
      if (y === height - 1) return at(x, y) !== at(x + 1, y);
      if (x === width - 1) return at(x, y) !== at(x, y + 1);
      return [at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)].some((other) => other !== at(x, y));
    });
  },
  near(boundary: boolean[], width: number, height: number, radius: number): boolean[] {
    return boundary.map((_, i) => {
      for (let dy = -radius; dy <= radius; dy++) {
        for (let dx = -radius; dx <= radius; dx++) {
          const [x, y] = [(i % width) + dx, Math.floor(i / width) + dy];
          const isInside = x >= 0 && y >= 0 && x < width && y < height;
          if (dx * dx + dy * dy <= radius * radius && isInside && boundary[y * width + x]) return true;
        }
      }
      return false;
    });
  },
  score(result: BinaryMask, truth: BinaryMask): { j: number; f: number } {
    const { width, height } = truth;
    const pixels = Array.from({ length: width * height }, (_, i) => i);
    const both = pixels.filter((i) => result.data[i] && truth.data[i]).length;
    const either = pixels.filter((i) => result.data[i] || truth.data[i]).length;
    const radius = Math.ceil(0.008 * Math.hypot(width, height));
    const [r, g] = [naive.boundary(result), naive.boundary(truth)];
    const count = (of: boolean[], near: boolean[]) => pixels.filter((i) => of[i] && near[i]).length;
    const [rs, gs] = [count(r, r), count(g, g)];
    let precision = rs === 0 ? 1 : count(r, naive.near(g, width, height, radius)) / rs;
    let recall = gs === 0 ? 1 : count(g, naive.near(r, width, height, radius)) / gs;
    if (rs === 0 && gs > 0) [precision, recall] = [1, 0];
    if (rs > 0 && gs === 0) [precision, recall] = [0, 1];
    return {
      j: either === 0 ? 1 : both / either,
      f: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
    };
  },
};

describe('J and F of one mask', () => {
  test('known answers of the official code', () => {
    expect(scoreMask(empty, empty)).toEqual({ j: 1, f: 1 });
    expect(scoreMask(square(5, 5, 4), empty)).toEqual({ j: 0, f: 0 });
    expect(scoreMask(empty, square(5, 5, 4))).toEqual({ j: 0, f: 0 });
    expect(scoreMask(full, full)).toEqual({ j: 1, f: 1 });
    // A mask over the whole picture has no boundary, so F sees no difference to an empty one.
    expect(scoreMask(full, empty)).toEqual({ j: 0, f: 1 });
    const { j, f } = scoreMask(square(12, 10, 10), square(10, 10, 10));
    expect(j).toBeCloseTo(2 / 3, 12);
    expect(f).toBeCloseTo(0.55, 12);
  });

  test('void pixels count for neither', () => {
    const rows = (from: number, to: number) => maskOf(200, 200, (x, y) => x >= 100 && x < 150 && y >= from && y < to);
    expect(scoreMask(rows(50, 150), rows(100, 150), rows(50, 100))).toEqual({ j: 1, f: 1 });
    expect(scoreMask(rows(50, 150), rows(100, 150)).j).toBeCloseTo(0.5, 12);
  });

  test('boundaries lie half a pixel up and left', () => {
    const pixels = (x: number, y: number) => {
      const labels = new Uint8Array(W * H);
      labels[y * W + x] = 1;
      const found = boundaryPixels(labels, W, H, 1, { left: x, right: x, top: y, bottom: y });
      return [...found].map((at) => [Math.floor(at / W), at % W]);
    };
    expect(pixels(5, 5)).toEqual([
      [4, 4],
      [4, 5],
      [5, 4],
      [5, 5],
    ]);
    expect(pixels(0, 0)).toEqual([[0, 0]]);
    expect(pixels(W - 1, H - 1)).toEqual([
      [46, 62],
      [46, 63],
      [47, 62],
    ]);
  });

  test('tolerance: 0.8 % of the diagonal, rounded up', () => {
    const sizes: [number, number, number][] = [
      [854, 480, 8],
      [910, 480, 9],
      [1152, 480, 10],
      [640, 480, 7],
      [1280, 720, 12],
      [1920, 1080, 18],
      [W, H, 1],
    ];
    for (const [width, height, tolerance] of sizes) expect(boundaryTolerance(width, height)).toBe(tolerance);
  });

  test('the fast measures are the slow ones', () => {
    // Discs and holes at any place, cut by the borders too; up to 400 wide, for tolerances up to 5.
    const shape = fc.record({
      cx: fc.double({ min: 0, max: 1, noNaN: true }),
      cy: fc.double({ min: 0, max: 1, noNaN: true }),
      r: fc.double({ min: 0, max: 0.6, noNaN: true }),
    });
    const scene = fc.record({
      width: fc.integer({ min: 1, max: 400 }),
      height: fc.integer({ min: 1, max: 40 }),
      a: fc.array(shape, { maxLength: 3 }),
      b: fc.array(shape, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(scene, ({ width, height, a, b }) => {
        const draw = (shapes: typeof a) =>
          maskOf(width, height, (x, y) =>
            shapes.reduce(
              (on, { cx, cy, r }) => on !== Math.hypot(x - cx * width, y - cy * height) < r * height,
              false,
            ),
          );
        const [result, truth] = [draw(a), draw(b)];
        expect(scoreMask(result, truth)).toEqual(naive.score(result, truth));
      }),
      { numRuns: 60 },
    );
  });

  test('masks of different sizes are refused', async () => {
    expect(
      (
        await errorOf(() =>
          scoreMask(
            empty,
            maskOf(3, 3, () => true),
          ),
        )
      ).name,
    ).toBe('RangeError');
  });
});

describe('statistics over frames', () => {
  test('recall counts what is above one half, not one half', () => {
    expect(statistics([0.5, 0.5, 0.6, 0.4]).recall).toBe(0.25);
  });

  test('quarters share their edges', () => {
    expect(quarterEdges(48)).toEqual([0, 12, 24, 35, 47]);
    expect(quarterEdges(98)).toEqual([0, 24, 49, 73, 97]);
    const falling = Array.from({ length: 48 }, (_, i) => (i <= 12 ? 1 : i >= 35 ? 0.25 : 9));
    expect(statistics(falling).decay).toBe(0.75);
    expect(statistics([0.3]).decay).toBe(0);
  });

  test('above 256 frames the toolkit’s decay is not a number; ours is', () => {
    for (const frames of [257, 258, 300]) {
      const values = Array.from({ length: frames }, (_, i) => 1 - i / frames);
      expect(statistics(values, { compat: true }).decay).toBeNaN();
      expect(statistics(values).decay).toBeCloseTo(0.75, 1);
    }
    const values = Array.from({ length: 256 }, (_, i) => 1 - i / 256);
    expect(statistics(values, { compat: true })).toEqual(statistics(values));
  });
});

test('assignment: the best of all, for tall and wide matrices with equal scores', () => {
  const best = (score: number[], rows: number, columns: number, row = 0, used = 0): number => {
    if (row === rows) return 0;
    let value = rows > columns ? best(score, rows, columns, row + 1, used) : Number.NEGATIVE_INFINITY;
    for (let c = 0; c < columns; c++) {
      if (used & (1 << c)) continue;
      value = Math.max(value, score[row * columns + c]! + best(score, rows, columns, row + 1, used | (1 << c)));
    }
    return value;
  };
  const matrices = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      score: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: rows * columns, maxLength: rows * columns }),
    }),
  );
  fc.assert(
    fc.property(matrices, ({ rows, columns, score }) => {
      const pairs = assignBest(score, rows, columns);
      expect(pairs).toHaveLength(Math.min(rows, columns));
      expect(new Set(pairs.map((p) => p.row)).size).toBe(pairs.length);
      expect(new Set(pairs.map((p) => p.column)).size).toBe(pairs.length);
      expect(pairs.map((p) => p.row)).toEqual(pairs.map((p) => p.row).sort((a, b) => a - b));
      const total = pairs.reduce((sum, { row, column }) => sum + score[row * columns + column]!, 0);
      expect(total).toBe(best(score, rows, columns));
    }),
  );
});

/** A label map with squares of 6 pixels: `[id, left, top]`. */
function scene(...squares: [id: number, left: number, top: number][]): LabelMap {
  const data = new Uint16Array(W * H);
  for (const [id, left, top] of squares) {
    for (let y = top; y < top + 6; y++) data.fill(id, y * W + left, y * W + left + 6);
  }
  return { width: W, height: H, data };
}

const framesOf = (pairs: [truth: LabelMap, result: LabelMap][]): EvaluationFrame[] =>
  pairs.map(([truth, result], i) => ({
    name: String(i).padStart(5, '0'),
    truth: async () => truth,
    result: async () => result,
  }));

describe('sequences', () => {
  test('semi-supervised: first and last frame are left out, ids belong together, a lost object scores 0', async () => {
    const truth = scene([1, 10, 10], [2, 30, 10]);
    const frames = framesOf([
      [truth, scene()],
      [truth, truth],
      [truth, scene([1, 10, 10])],
      [truth, scene([1, 13, 10], [2, 30, 10])],
      [truth, scene()],
    ]);
    const { objects, frames: names } = await evaluateSequence('s', frames);
    expect(names).toEqual(['00001', '00002', '00003']);
    expect(objects.map((o) => o.id)).toEqual([1, 2]);
    expect(objects[0]!.j).toEqual([1, 1, 1 / 3]);
    expect(objects[1]!.j).toEqual([1, 0, 1]);
    expect(objects[1]!.f).toEqual([1, 0, 1]);
    expect(summarise(objects).j.mean).toBeCloseTo((7 / 9 + 2 / 3) / 2, 12);
  });

  test('the number of objects is the largest id of the first annotation; 255 is void, not an id', async () => {
    const first = scene([3, 10, 10], [255, 40, 10]);
    const later = scene([3, 10, 10]);
    const { objects } = await evaluateSequence(
      's',
      framesOf([
        [first, later],
        [later, later],
        [later, later],
      ]),
    );
    // Ids 1 and 2 are nowhere: empty against empty is 1.
    expect(objects.map((o) => o.j)).toEqual([[1], [1], [1]]);
    // Semi-supervised scoring leaves void out of the truth only: a result there is wrong.
    const onVoid = framesOf([
      [first, later],
      [first, scene([3, 10, 10], [3, 40, 10])],
      [first, later],
    ]);
    expect((await evaluateSequence('s', onVoid)).objects[2]!.j).toEqual([0.5]);
  });

  test('unsupervised: every frame, void left out, one matching for the whole video', async () => {
    const truth = scene([1, 10, 10], [2, 30, 10], [255, 50, 10]);
    // Proposal 1 is object 2, proposal 3 is object 1 with a spill onto void, proposal 2 is wrong.
    const result = scene([1, 30, 10], [3, 10, 10], [3, 50, 10], [2, 30, 30]);
    const frames = framesOf([
      [truth, result],
      [truth, result],
    ]);
    const fixed = await evaluateSequence('s', frames, { task: 'unsupervised' });
    expect(fixed.objects.map(({ id, resultId, j }) => ({ id, resultId, j }))).toEqual([
      { id: 1, resultId: 3, j: [1, 1] },
      { id: 2, resultId: 1, j: [1, 1] },
    ]);
    const compat = await evaluateSequence('s', frames, { task: 'unsupervised', compat: true });
    expect(compat.objects.map((o) => o.id)).toEqual([2, 1]);
    const fewer = await evaluateSequence('s', framesOf([[truth, scene([1, 10, 10])]]), { task: 'unsupervised' });
    expect(fewer.objects.map((o) => o.j)).toEqual([[1], [0]]);
  });

  test('all pairs of a frame score as they do one by one', async () => {
    const truth = scene([1, 10, 10], [2, 14, 20], [255, 18, 14]);
    const result = scene([1, 12, 11], [2, 15, 19], [3, 11, 22], [4, 16, 13]);
    const only = (map: LabelMap, id: number, cut: boolean) =>
      maskOf(W, H, (x, y) => map.data[y * W + x] === id && !(cut && truth.data[y * W + x] === 255));
    const { objects } = await evaluateSequence('s', framesOf([[truth, result]]), { task: 'unsupervised' });
    for (const { id, resultId, j, f } of objects) {
      const expected = naive.score(only(result, resultId, true), only(truth, id, false));
      expect([j[0], f[0]]).toEqual([expected.j, expected.f]);
    }
  });

  test('errors name the frame', async () => {
    const truth = scene([1, 10, 10]);
    const three = (result: LabelMap) =>
      framesOf([
        [truth, truth],
        [truth, result],
        [truth, truth],
      ]);
    expect(await errorOf(() => evaluateSequence('cat', three(scene([2, 10, 10]))))).toMatchObject({
      name: 'EvaluationError',
      code: 'too-many-objects',
      subject: 'cat/00001',
    });
    const small = { width: 2, height: 2, data: new Uint16Array(4) };
    expect(await errorOf(() => evaluateSequence('cat', three(small)))).toMatchObject({ code: 'size-mismatch' });
    expect(await errorOf(() => evaluateSequence('cat', three(truth).slice(1)))).toMatchObject({ code: 'no-frames' });
    const nothing = framesOf([
      [scene(), truth],
      [truth, truth],
      [truth, truth],
    ]);
    expect(await errorOf(() => evaluateSequence('cat', nothing))).toMatchObject({ code: 'no-objects' });
    const many = framesOf([[truth, scene([21, 1, 1])]]);
    expect(await errorOf(() => evaluateSequence('cat', many, { task: 'unsupervised' }))).toMatchObject({
      code: 'too-many-objects',
      message: expect.stringContaining('20 proposals'),
    });
  });
});

describe('DAVIS folders', () => {
  const root = temporaryFolder();
  const write = (path: string, bytes: Uint8Array | string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), bytes);
  };
  const shifted = [0, 0, 2, 3, 0];
  for (const [sequence, id] of [
    ['cat', 1],
    ['dog', 1],
  ] as const) {
    for (const [i, by] of shifted.entries()) {
      const name = `${sequence}/0000${i}.png`;
      write(`DAVIS/Annotations/480p/${name}`, encodeLabelPng(scene([id, 10, 10])));
      write(`results/${name}`, encodeLabelPng(scene([id, 10 + (sequence === 'dog' ? 0 : by), 10])));
      // DAVIS-2016: grey 0 and 255; results of any id.
      const grey = Uint8Array.from(scene([255, 10, 10]).data);
      write(`DAVIS16/Annotations/480p/${name}`, encode({ width: W, height: H, channels: 1, depth: 8, data: grey }));
      write(`results16/${name}`, encodeLabelPng(scene([i + 1, 10, 10])));
    }
  }
  write('DAVIS/ImageSets/2017/val.txt', 'cat\n');
  write('DAVIS16/ImageSets/480p/val.txt', '/JPEGImages/480p/dog/00000.jpg /Annotations/480p/dog/00000.png\n');
  const at = (name: string) => join(root, name);

  test('the split’s sequences, scores of every frame, and the toolkit’s files', async () => {
    const seen: string[] = [];
    const { report, files, table } = await runMetrics({
      root: at('DAVIS'),
      results: at('results'),
      json: at('elsewhere/scores.json'),
      onProgress: ({ sequence, done, total }) => seen.push(`${sequence} ${done}/${total}`),
    });
    expect(seen).toEqual(['cat 1/1']);
    expect(report.sequences[0]!.objects[0]!.j).toEqual([1, 1 / 2, 1 / 3]);
    expect(report.summary.j.mean).toBeCloseTo(11 / 18, 12);
    expect(files).toEqual([
      at('results/global_results-val.csv'),
      at('results/per-sequence_results-val.csv'),
      at('elsewhere/scores.json'),
    ]);
    expect(table.split('\n').map((row) => row.split(/ {2,}/).slice(0, 3))).toEqual([
      ['sequence', 'J&F', 'J mean'],
      ['cat', report.summary.jf.toFixed(3), '0.611'],
      ['all objects', report.summary.jf.toFixed(3), '0.611'],
      [''],
    ]);
    const { j, f, jf } = report.summary;
    const csv = readFileSync(join(root, 'results/global_results-val.csv'), 'utf8');
    expect(csv).toBe(
      'J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n' +
        `${[jf, j.mean, 1 / 3, j.decay, f.mean, f.recall, f.decay].map((v) => v.toFixed(3)).join()}\n`,
    );
    const rows = readFileSync(join(root, 'results/per-sequence_results-val.csv'), 'utf8');
    expect(rows).toBe(`Sequence,J-Mean,F-Mean\ncat_1,0.611,${f.mean.toFixed(3)}\n`);
    const json = JSON.parse(readFileSync(join(root, 'elsewhere/scores.json'), 'utf8'));
    expect(json.sequences[0].objects[0]).toMatchObject({ id: 1, j: [1, 1 / 2, 1 / 3] });
  });

  test('named sequences; DAVIS-2016 with 0 and 255 against any id, and its own list of files', async () => {
    const both = await evaluateDavis({ root: at('DAVIS'), results: at('results'), sequences: ['dog', 'cat'] });
    expect(both.sequences.map((s) => [s.name, s.summary.j.mean])).toEqual([
      ['dog', 1],
      ['cat', expect.closeTo(11 / 18, 12)],
    ]);
    const old = await evaluateDavis({ root: at('DAVIS16'), results: at('results16'), year: 2016 });
    expect(old.sequences.map((s) => s.name)).toEqual(['dog']);
    expect(old.summary).toMatchObject({ jf: 1, j: { mean: 1, recall: 1, decay: 0 } });
  });

  test('what is missing is named', async () => {
    const options = { root: at('DAVIS'), results: at('results') };
    expect(await errorOf(() => evaluateDavis({ ...options, root: at('nowhere') }))).toMatchObject({
      code: 'not-found',
    });
    expect(await errorOf(() => evaluateDavis({ ...options, split: 'train' }))).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('train.txt'),
    });
    expect(await errorOf(() => evaluateDavis({ ...options, sequences: ['bird'] }))).toMatchObject({
      code: 'not-found',
    });
    expect(await errorOf(() => evaluateDavis({ ...options, results: at('none') }))).toMatchObject({
      code: 'missing-result',
      subject: expect.stringContaining('cat/00001.png'),
    });
  });
});

test('three decimals as Python prints them', () => {
  // '%.3f' % x in Python: ties go to the even digit.
  const cases: [number, string][] = [
    [0.0625, '0.062'],
    [0.6875, '0.688'],
    [0.5625, '0.562'],
    [-0.0625, '-0.062'],
    [0.1235, '0.123'],
    [0.5, '0.500'],
    [1, '1.000'],
    [Number.NaN, ''],
  ];
  for (const [value, text] of cases) expect(threeDecimals(value)).toBe(text);
});
