import { fusedOps, initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManifest, WeightReader } from '../../src/checkpoint/index.js';
import { encodeRle } from '../../src/masks/index.js';
import { SamError } from '../../src/sam/error.js';
import { promptsWithin } from '../../src/sam/model.js';
import { selectSingleMask, stabilityScore } from '../../src/sam/onnx-semantics.js';
import { framePrompt, type SamPrompt } from '../../src/sam/prompt.js';
import { PromptEncoder } from '../../src/sam/prompt-encoder.js';
import { alongLine, strokeAgreement, strokeEvidence } from '../../src/sam/stroke.js';
import { samTinyManifest } from '../fixtures/sam/manifest.js';

const frame = {
  imageSize: { height: 100, width: 200 },
  inputSize: { height: 128, width: 256 },
  lowRes: 64,
  cornerLabels: false,
};

describe('prompts', () => {
  it.each<[string, SamPrompt, RegExp]>([
    ['labels without points', { labels: [1] }, /labels but no points/],
    ['points without labels', { points: [[1, 1]] }, /points but no labels/],
    ['no points in the list', { points: [], labels: [] }, /empty list of points/],
    ['a label too many', { points: [[1, 1]], labels: [1, 0] }, /1 points and 2 labels/],
    ['an unknown label', { points: [[1, 1]], labels: [7] }, /point 0 the unknown label 7/],
    ['a corner label', { points: [[1, 1]], labels: [2] }, /unknown label 2/],
    [
      'a point to the right',
      {
        points: [
          [1, 1],
          [201, 5],
        ],
        labels: [1, 1],
      },
      /point 1 at 201,5, outside the image of 200x100/,
    ],
    ['a point above', { points: [[1, -0.5]], labels: [1] }, /outside/],
    ['a point that is no number', { points: [[Number.NaN, 1]], labels: [1] }, /outside/],
    ['a box from right to left', { box: [50, 10, 20, 40] }, /50,10,20,40, whose second corner is left/],
    ['a box upside down', { box: [5, 50, 20, 40] }, /left of or above/],
    ['a box elsewhere', { box: [300, 10, 320, 40] }, /outside the image/],
    ['a box that is none', { box: [1, 2, 3, Number.POSITIVE_INFINITY] }, /not four numbers/],
    ['a mask of another size', { mask: new Float32Array(9) }, /9 values, the network takes 64x64/],
    ['a mask with NaN', { mask: new Float32Array(4096).fill(Number.NaN, 5, 6) }, /NaN at index 5/],
  ])('are refused: %s', (_, prompt, message) => {
    expect(() => framePrompt(prompt, frame)).toThrow(SamError);
    expect(() => framePrompt(prompt, frame)).toThrow(message);
    expect(() => framePrompt(prompt, frame, 'Prompt 3')).toThrow(/^Prompt 3 /);
  });

  it('are scaled into the frame; padding points and boxes beyond the image are not refused', () => {
    const prompt: SamPrompt = {
      points: [
        [100, 50],
        [-9, -9],
      ],
      labels: [1, -1],
      box: [-20, 0, 100, 150],
    };
    const framed = framePrompt(prompt, frame);
    expect(framed.points?.[0]).toEqual([128, 64]);
    expect(framed.box).toEqual([-25.6, 0, 128, 192]);
    expect(framePrompt({}, frame)).toMatchObject({ points: undefined, box: undefined, mask: undefined });
  });
});

describe('the tokens of a prompt', () => {
  let runtime: Runtime;
  let weights: WeightReader;
  let encoder: PromptEncoder;
  beforeAll(async () => {
    runtime = await initialize();
    weights = new WeightReader(openManifest(samTinyManifest()));
    encoder = await PromptEncoder.load({ weights, ops: fusedOps }, 256);
  });
  afterAll(() => {
    weights.handOver().dispose();
    shutdown(runtime);
  });

  const tokens = (values: Float32Array) =>
    Array.from({ length: values.length / 256 }, (_, i) => values.slice(i * 256, (i + 1) * 256));
  const point = [30, 40] as const;
  const box = [5, 6, 70, 80] as const;

  it('end in a padding point where there are points and no box', () => {
    expect(encoder.sparse({})).toHaveLength(0);
    const click = tokens(encoder.sparse({ points: [point], labels: [1] }));
    expect(click).toHaveLength(2);
    expect(tokens(encoder.sparse({ box }))).toHaveLength(2);
    const both = tokens(encoder.sparse({ points: [point], labels: [1], box }));
    expect(both).toHaveLength(3);
    expect(both[0]).toEqual(click[0]);
    expect(both.slice(1)).toEqual(tokens(encoder.sparse({ box })));
  });

  it('padding has no position', () => {
    const [, padding] = tokens(encoder.sparse({ points: [point], labels: [1] }));
    expect(tokens(encoder.sparse({ points: [[99, 3]], labels: [-1] }))[0]).toEqual(padding);
  });

  it('labels 2 and 3 are corners only where asked for, and then nothing is appended', () => {
    const corners = {
      points: [
        [5, 6],
        [70, 80],
      ] as const,
      labels: [2, 3],
    };
    expect(encoder.sparse(corners, { cornerLabels: true })).toEqual(encoder.sparse({ box }));
    const raw = tokens(encoder.sparse(corners));
    expect(raw).toHaveLength(3);
    expect(raw[0]).not.toEqual(tokens(encoder.sparse({ box }))[0]);
  });
});

describe('the published ONNX models', () => {
  it('select the clear mask from three points on, padding included', () => {
    expect(selectSingleMask([0.1, 0.5, 0.9, 0.3], 2)).toBe(2);
    expect(selectSingleMask([0.1, 0.5, 0.9, 0.3], 3)).toBe(0);
  });

  it('stability is the share of high logits in the low ones', () => {
    expect(stabilityScore([-3, -0.5, 0.5, 1.5, 2])).toBe(2 / 4);
    expect(stabilityScore([0, 1, 2], 1, 0.5)).toBe(1 / 2);
    expect(stabilityScore([-9])).toBeNaN();
  });
});

describe('strokes', () => {
  const size = { height: 100, width: 100 };

  it('are sampled at equal distances, more often the longer they are', () => {
    expect(
      alongLine(
        [
          [0, 0],
          [10, 0],
          [10, 30],
        ],
        4,
      ),
    ).toEqual([
      [5, 0],
      [10, 5],
      [10, 15],
      [10, 25],
    ]);
    expect(alongLine([[3, 4]], 5)).toEqual([[3, 4]]);
    expect(strokeEvidence({ points: [[50, 50]] }, size).points).toHaveLength(1);
    expect(
      strokeEvidence(
        {
          points: [
            [0, 0],
            [20, 0],
          ],
        },
        size,
      ).points,
    ).toHaveLength(3);
    expect(
      strokeEvidence(
        {
          points: [
            [0, 0],
            [100, 100],
          ],
        },
        size,
      ).points,
    ).toHaveLength(6);
  });

  it('give their box, as wide as the pen and within the image, and points beside the object', () => {
    const evidence = strokeEvidence(
      {
        points: [
          [1, 20],
          [40, 60],
        ],
        background: [
          [
            [90, 90],
            [95, 90],
          ],
        ],
        width: 10,
      },
      size,
    );
    expect(evidence.box).toEqual([0, 15, 45, 65]);
    expect(evidence.labels).toEqual([...evidence.labels.slice(0, -1).map(() => 1), 0]);
    expect(evidence.points.at(-1)).toEqual([92.5, 90]);
  });

  it('agree with masks that hold them and no background stroke', () => {
    const left = encodeRle(
      Array.from({ length: 10_000 }, (_, i) => (i % 100 < 50 ? 1 : 0)),
      100,
      100,
    );
    expect(
      strokeAgreement(left, {
        points: [
          [10, 10],
          [40, 10],
        ],
      }),
    ).toBe(1);
    expect(
      strokeAgreement(left, {
        points: [
          [25, 10],
          [75, 10],
        ],
      }),
    ).toBeCloseTo(0.5, 1);
    expect(
      strokeAgreement(left, {
        points: [
          [10, 10],
          [40, 10],
        ],
        background: [
          [
            [30, 50],
            [90, 50],
          ],
        ],
      }),
    ).toBeCloseTo(2 / 3, 1);
  });

  it.each([
    [{ points: [] }, /has no points/],
    [{ points: [[1, 1]], background: [[]] }, /Background stroke 0 has no points/],
    [
      {
        points: [
          [1, 1],
          [101, 4],
        ],
      },
      /goes through 101,4, outside/,
    ],
    [{ points: [[1, 1]], width: -1 }, /-1 pixels wide/],
  ] as const)('are refused: %j', (stroke, message) => {
    expect(() => strokeEvidence(stroke, size)).toThrow(SamError);
    expect(() => strokeEvidence(stroke, size)).toThrow(message);
  });
});

it('a pass takes as many prompts as a binding allows', () => {
  const side = 64;
  const largest = side ** 2 * 4 * 128 * 4;
  expect(promptsWithin(128 * 2 ** 20, side)).toBe(16);
  expect(promptsWithin(64 * 2 ** 20, side)).toBe(8);
  expect(promptsWithin(largest - 1, side)).toBe(1);
  expect(promptsWithin(2 ** 31, side)).toBe(16);
});
