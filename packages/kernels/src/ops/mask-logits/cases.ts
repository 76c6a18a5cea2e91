import type { Signature } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { maskLogits } from './index.js';
import { maskLogitsReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { maskLogits: Signature<typeof maskLogits> };

interface MaskLogitsCase {
  batch: number;
  masks: number;
  channels: number;
  grid: readonly [number, number];
  bench?: BenchRequest;
}

function maskLogitsCase({ batch, masks, channels, grid, bench }: MaskLogitsCase): OpCase<Ops> {
  const [height, width] = grid;
  const products = batch * masks * height * width * 16 * channels;
  return {
    op: 'mask-logits',
    name: `${batch} x ${masks} masks of ${height}x${width}, ${channels} channels`,
    inputs: {
      features: randomTensor([batch, height * width, 16 * channels], 1),
      vectors: randomTensor([batch, masks, channels], 2),
    },
    build: (ops, { features, vectors }) => ops.maskLogits(features!, vectors!, grid),
    reference: ({ features, vectors }) => [
      maskLogitsReference(features!.values, vectors!.values, { batch, masks, channels, height, width }),
    ],
    ...benchOf(bench, { size: `${batch}x${masks}`, flops: 2 * products, bytes: (products / masks) * 4 }),
  };
}

export const cases: OpCase<Ops>[] = [
  maskLogitsCase({ batch: 1, masks: 1, channels: 4, grid: [1, 1] }),
  maskLogitsCase({ batch: 3, masks: 4, channels: 32, grid: [5, 3] }),
  maskLogitsCase({ batch: 2, masks: 3, channels: 12, grid: [4, 9] }),
  maskLogitsCase({ batch: 1, masks: 8, channels: 8, grid: [2, 2] }),
  maskLogitsCase({ batch: 4, masks: 3, channels: 32, grid: [64, 64], bench: true }),
];
