import { convOutput } from '../../families/convolution.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { maxPool } from './index.js';
import { maxPoolReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { maxPool: Portable<typeof maxPool> };

interface MaxPoolCase {
  shape: readonly [height: number, width: number, channels: number];
  size: number;
  stride?: number;
  padding?: number;
  /** Added to every value; negative, so that a padding of zeros would win. */
  offset?: number;
  bench?: BenchRequest;
}

function maxPoolCase({ shape, size, stride = size, padding = 0, offset = 0, bench }: MaxPoolCase): OpCase<Ops> {
  const [height, width, channels] = shape;
  const x = randomTensor([...shape], 1, 1, (value) => value + offset);
  const outputs =
    convOutput(height, size, stride, 1, 2 * padding) * convOutput(width, size, stride, 1, 2 * padding) * channels;
  return {
    op: 'max-pool',
    name: `${shape.join('x')}, ${size}x${size} stride ${stride} padding ${padding}`,
    inputs: { x },
    build: (ops, { x }) => ops.maxPool(x!, size, { stride, padding }),
    reference: ({ x }) => [maxPoolReference(x!.values, { height, width, channels, size, stride, padding })],
    // Nothing is computed, only chosen.
    tolerance: 0,
    ...benchOf(bench, {
      size: shape.join('x'),
      flops: size * size * outputs,
      bytes: 4 * (height * width * channels + outputs),
    }),
  };
}

export const cases: OpCase<Ops>[] = [
  maxPoolCase({ shape: [1, 1, 4], size: 1 }),
  maxPoolCase({ shape: [1, 2, 4], size: 3, stride: 2, padding: 1, offset: -3 }),
  maxPoolCase({ shape: [17, 22, 20], size: 3, stride: 2, padding: 1, offset: -3 }),
  maxPoolCase({ shape: [8, 9, 12], size: 2 }),
  maxPoolCase({ shape: [13, 11, 8], size: 5, stride: 1, padding: 2, offset: -3 }),
  maxPoolCase({ shape: [241, 425, 64], size: 3, stride: 2, padding: 1, bench: true }),
];
