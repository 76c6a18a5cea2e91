import { type Tensor, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  biAttention,
  boxSineEmbedding,
  broadcastAdd,
  deformableAttention,
  depthwiseConv,
  feedForward,
  groupNorm,
  initialize,
  labelArgmax,
  labelPropagation,
  layerNorm,
  makeMaskPlan,
  maskBits,
  maskLogits,
  maskStatistics,
  maxPool,
  patchMerge,
  type Runtime,
  refineBoxes,
  resizeBilinear,
  ShapeError,
  shutdown,
  windowAttention,
} from '../index.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const window = { height: 4, width: 5, window: 7, shift: 0, heads: 2 };

const maskPlan = () =>
  makeMaskPlan({ side: 4, frame: 16, input: { height: 9, width: 16 }, output: { height: 5, width: 7 } });

const pyramid = { levels: [{ height: 2, width: 3 }], heads: 2, points: 4 };

const fusion = (change: object) => {
  const input = { image: zeros([5, 8]), keys: zeros([8, 12]), keyBias: zeros([12]), values: zeros([12, 4]), ...change };
  return biAttention(input).image;
};

const linear = (inputs: number, outputs: number) => ({ weight: zeros([inputs, outputs]), bias: zeros([outputs]) });

/** Operands that do not fit, and what the message must say. */
const WRONG: [name: string, run: () => Tensor, message: RegExp][] = [
  ['layer-norm: channels', () => layerNorm(zeros([5, 6]), zeros([6]), zeros([6])), /multiple of 4, got x \[5, 6\]/],
  [
    'layer-norm: groups',
    () => layerNorm(zeros([5, 20]), zeros([20]), zeros([20]), { groups: 2 }),
    /2 group\(s\).*x \[5, 20\]/,
  ],
  ['layer-norm: weight', () => layerNorm(zeros([5, 8]), zeros([4]), zeros([8])), /weight and bias of 8.*weight \[4\]/],
  ['layer-norm: scalar', () => layerNorm(zeros([]), zeros([4]), zeros([4])), /multiple of 4/],
  [
    'label-propagation: no frames',
    () => labelPropagation({ height: 1, width: 2, query: zeros([2, 4]), frames: [], temperature: 1, topK: 1 }),
    /1 to 6 frames/,
  ],
  [
    'label-propagation: labels',
    () =>
      labelPropagation({
        height: 1,
        width: 2,
        query: zeros([2, 4]),
        frames: [{ key: zeros([2, 4]), labels: zeros([3, 4]), radius: 1 }],
        temperature: 1,
        topK: 1,
      }),
    /labels \[2, 4\], got key \[2, 4\], labels \[3, 4\]/,
  ],
  [
    'label-argmax: classes',
    () => labelArgmax(zeros([2, 2, 4]), { classes: 5, height: 3, width: 3, alignCorners: true }),
    /at least 5/,
  ],
  ['group-norm: groups', () => groupNorm(zeros([3, 3, 24]), zeros([24]), zeros([24]), 4), /4 group\(s\).*24\]/],
  ['group-norm: bias', () => groupNorm(zeros([3, 8]), zeros([8]), zeros([16]), 2), /weight and bias of 8.*bias \[16\]/],
  ['depthwise-conv: channels', () => depthwiseConv(zeros([4, 4, 6]), zeros([3, 3, 6, 1])), /multiple of 4/],
  ['depthwise-conv: weight', () => depthwiseConv(zeros([4, 4, 8]), zeros([3, 3, 4, 1])), /weight \[3, 3, 4, 1\]/],
  ['depthwise-conv: multiplier', () => depthwiseConv(zeros([4, 4, 8]), zeros([3, 3, 8, 2])), /C, 1\]/],
  [
    'depthwise-conv: bias',
    () => depthwiseConv(zeros([4, 4, 8]), zeros([3, 3, 8, 1]), { bias: zeros([4]) }),
    /a bias of 8/,
  ],
  ['depthwise-conv: size', () => depthwiseConv(zeros([2, 4, 8]), zeros([3, 3, 8, 1])), /as large as the kernel/],
  ['resize-bilinear: rank', () => resizeBilinear(zeros([4, 4]), [8, 8]), /an image \[H, W, C\]/],
  [
    'resize-bilinear: residual',
    () => resizeBilinear(zeros([4, 4, 8]), [8, 8], { residual: zeros([8, 7, 8]) }),
    /residual of \[8, 8, 8\]/,
  ],
  ['broadcast-add: shapes', () => broadcastAdd(zeros([4, 5]), zeros([4])), /dimensions of y, got x \[4, 5\], y \[4\]/],
  ['broadcast-add: ranks', () => broadcastAdd(zeros([5]), zeros([1, 5])), /dimensions of y/],
  ['mask-logits: channels', () => maskLogits(zeros([1, 4, 96]), zeros([1, 3, 6]), [2, 2]), /C a multiple of 4/],
  ['mask-logits: masks', () => maskLogits(zeros([1, 4, 64]), zeros([1, 9, 4]), [2, 2]), /1 to 8/],
  ['mask-logits: features', () => maskLogits(zeros([1, 3, 64]), zeros([1, 2, 4]), [2, 2]), /features \[1, 4, 64\]/],
  ['mask-resample: side', () => maskBits(zeros([2, 4, 5]), maskPlan()), /logits \[\.\.\., 4, 4\]/],
  [
    'mask-resample: selected',
    () => maskStatistics(zeros([2, 4, 4]), maskPlan(), { selected: zeros([2, 1], 'int32') }),
    /selected \[K\]/,
  ],
  ['max-pool: channels', () => maxPool(zeros([4, 4, 6]), 2), /multiple of 4/],
  ['max-pool: padding', () => maxPool(zeros([4, 4, 8]), 3, { padding: 2 }), /padding of at most 1, not 2/],
  ['max-pool: size', () => maxPool(zeros([2, 4, 8]), 3), /as large as 3x3/],
  ['patch-merge: rank', () => patchMerge(zeros([16, 8])), /an image \[H, W, C\]/],
  ['window-attention: tokens', () => windowAttention(zeros([21, 192]), zeros([192]), zeros([169, 2]), window), /4 x 5/],
  ['window-attention: heads', () => windowAttention(zeros([20, 60]), zeros([60]), zeros([169, 2]), window), /2 heads/],
  ['window-attention: bias', () => windowAttention(zeros([20, 192]), zeros([64]), zeros([169, 2]), window), /of 192/],
  ['window-attention: table', () => windowAttention(zeros([20, 192]), zeros([192]), zeros([49, 2]), window), /169 x 2/],
  [
    'window-attention: shift',
    () => windowAttention(zeros([20, 192]), zeros([192]), zeros([169, 2]), { ...window, shift: 7 }),
    /shift from 0 to 6, not 7/,
  ],
  [
    'deformable-attention: value',
    () => deformableAttention(zeros([5, 16]), zeros([3, 24]), zeros([3, 2]), pyramid),
    /values of 6 pixels and 2 heads.*value \[5, 16\]/,
  ],
  [
    'deformable-attention: projection',
    () => deformableAttention(zeros([6, 16]), zeros([3, 16]), zeros([3, 2]), pyramid),
    /24 columns, got projection \[3, 16\]/,
  ],
  [
    'deformable-attention: reference',
    () => deformableAttention(zeros([6, 16]), zeros([3, 24]), zeros([3, 3]), pyramid),
    /\[3, 2\] or \[3, 4\]/,
  ],
  [
    'deformable-attention: points',
    () => deformableAttention(zeros([6, 16]), zeros([3, 18]), zeros([3, 2]), { ...pyramid, points: 3 }),
    /multiple of 4 points/,
  ],
  ['bi-attention: keys', () => fusion({ keys: zeros([7, 12]) }), /keys \[8, 4 L\].*keys \[7, 12\]/],
  ['bi-attention: heads', () => fusion({ keys: zeros([8, 10]), keyBias: zeros([10]), values: zeros([10, 4]) }), /4 L/],
  ['bi-attention: bias', () => fusion({ keyBias: zeros([3]) }), /keyBias \[3\]/],
  ['bi-attention: values', () => fusion({ values: zeros([3, 4]) }), /values \[3, 4\]/],
  [
    'feed-forward: layers',
    () => feedForward(zeros([3, 8]), linear(8, 16), linear(12, 8), { activation: 'relu' }),
    /follow each other.*first \[8, 16\], second \[12, 8\]/,
  ],
  ['sine-embedding: boxes', () => boxSineEmbedding(zeros([3, 2])), /four coordinates.*boxes \[3, 2\]/],
  ['sine-embedding: channels', () => boxSineEmbedding(zeros([3, 4]), { channels: 6 }), /multiple of 4 channels/],
  ['box-refinement: moves', () => refineBoxes(zeros([2, 4]), zeros([3, 4])), /as many moves as boxes/],
];

it.each(WRONG)('%s', (_, run, message) => {
  expect(run).toThrow(ShapeError);
  expect(run).toThrow(message);
});

it.each([
  ['a side of 2', { side: 2, frame: 16, input: { height: 1, width: 1 }, output: { height: 1, width: 1 } }],
  ['a frame below the side', { side: 8, frame: 4, input: { height: 1, width: 1 }, output: { height: 1, width: 1 } }],
  [
    'an input beyond the frame',
    { side: 4, frame: 16, input: { height: 17, width: 1 }, output: { height: 1, width: 1 } },
  ],
  ['an empty output', { side: 4, frame: 16, input: { height: 1, width: 1 }, output: { height: 0, width: 1 } }],
])('mask plan: %s', (_, geometry) => {
  expect(() => makeMaskPlan(geometry)).toThrow(RangeError);
});
