import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { resizeBilinear } from './index.js';
import { resizeBilinearReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { resizeBilinear: Portable<typeof resizeBilinear> };

interface ResizeCase {
  from: readonly [height: number, width: number];
  to: readonly [height: number, width: number];
  channels: number;
  alignCorners?: boolean;
  residual?: boolean;
  bench?: BenchRequest;
}

function resizeCase({ from, to, channels, alignCorners = false, residual, bench }: ResizeCase): OpCase<Ops> {
  const [height, width] = from;
  const [outHeight, outWidth] = to;
  const inputs: OpCase<Ops>['inputs'] = { x: randomTensor([height, width, channels], 1) };
  if (residual) inputs.residual = randomTensor([outHeight, outWidth, channels], 2);
  const outputs = outHeight * outWidth * channels;
  return {
    op: 'resize-bilinear',
    name: [`${from.join('x')} -> ${to.join('x')}x${channels}`, alignCorners && 'corners', residual && 'residual']
      .filter(Boolean)
      .join(' '),
    inputs,
    build: (ops, { x, ...rest }) => ops.resizeBilinear(x!, to, { ...rest, alignCorners }),
    reference: ({ x, residual }) => [
      resizeBilinearReference(
        x!.values,
        { height, width, channels, outHeight, outWidth },
        { alignCorners, ...(residual ? { residual: residual.values } : {}) },
      ),
    ],
    // Source positions up to 200 are rounded to 2^-17 of a pixel, and neighbouring pixels are independent here.
    tolerance: 1e-10,
    ...benchOf(bench, {
      size: `${from.join('x')}-${to.join('x')}x${channels}`,
      flops: 8 * outputs,
      bytes: 4 * (height * width * channels + outputs),
      weights: [],
    }),
  };
}

/** Larger, smaller, equal, single pixels in and out; both kinds of corners; channels that are and are not vectors. */
export const cases: OpCase<Ops>[] = [
  resizeCase({ from: [1, 1], to: [3, 5], channels: 4 }),
  resizeCase({ from: [4, 6], to: [1, 1], channels: 4, alignCorners: true }),
  resizeCase({ from: [7, 9], to: [7, 9], channels: 8 }),
  resizeCase({ from: [5, 8], to: [13, 17], channels: 12, alignCorners: true, residual: true }),
  resizeCase({ from: [5, 8], to: [13, 16], channels: 4, residual: true }),
  resizeCase({ from: [23, 19], to: [11, 7], channels: 8 }),
  resizeCase({ from: [16, 16], to: [67, 61], channels: 3 }),
  resizeCase({ from: [16, 16], to: [67, 61], channels: 1, alignCorners: true }),
  resizeCase({ from: [61, 107], to: [121, 213], channels: 128, alignCorners: true, bench: true }),
];
