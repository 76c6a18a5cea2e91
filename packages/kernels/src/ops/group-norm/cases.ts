import type { Activation } from '../../families/activation/index.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { groupNorm } from './index.js';
import { groupNormReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { groupNorm: Portable<typeof groupNorm> };

interface GroupNormCase {
  name?: string;
  shape: number[];
  groups: number;
  activation?: Activation;
  /** Added to every value: a mean far from zero must cost no accuracy. */
  offset?: number;
  tolerance?: number;
  bench?: BenchRequest;
}

function groupNormCase({ name, shape, groups, activation, offset = 0, tolerance, bench }: GroupNormCase): OpCase<Ops> {
  const channels = shape.at(-1)!;
  const x = randomTensor(shape, 1, 1, (value, i) => value + (offset + (i % channels) / channels));
  const elements = shape.reduce((a, b) => a * b);
  const options = activation ? { activation } : {};
  return {
    op: 'group-norm',
    name: [`${shape.join('x')}, ${groups} groups`, activation, name].filter(Boolean).join(', '),
    inputs: { x, weight: randomTensor([channels], 2), bias: randomTensor([channels], 3) },
    build: (ops, { x, weight, bias }) => ops.groupNorm(x!, weight!, bias!, groups, options),
    // tfjs sums in another order, so it is not asked about extreme means.
    kernelsOnly: offset !== 0,
    reference: ({ x, weight, bias }) => [
      groupNormReference(x!.values, weight!.values, bias!.values, { channels, groups, ...options }),
    ],
    ...(tolerance ? { tolerance } : {}),
    ...benchOf(bench, {
      size: `${shape.join('x')}-${groups}`,
      flops: 8 * elements,
      bytes: 8 * elements,
      weights: ['weight', 'bias'],
    }),
  };
}

/** One chunk and many; a last chunk that is full, short and of one position; one vector a group; one group. */
export const cases: OpCase<Ops>[] = [
  groupNormCase({ shape: [1, 8], groups: 1 }),
  groupNormCase({ shape: [16, 8], groups: 2 }),
  groupNormCase({ shape: [17, 32], groups: 8, activation: 'relu' }),
  groupNormCase({ shape: [7, 9, 24], groups: 3 }),
  groupNormCase({ shape: [71, 67, 36], groups: 3, activation: 'relu' }),
  // The mean itself is rounded to 2^-24 of 1000, 1e-4 of the spread.
  groupNormCase({ name: 'mean of 1000', shape: [300, 16], groups: 2, offset: 1000, tolerance: 1e-8 }),
  groupNormCase({ shape: [121, 213, 128], groups: 8, activation: 'relu', bench: { run: 'quick' } }),
  groupNormCase({ shape: [1674, 512], groups: 2, activation: 'relu', bench: true }),
];
