import type { Activation } from '../../families/activation/index.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import type { layerNorm } from './index.js';
import { layerNormReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { layerNorm: Portable<typeof layerNorm> };

interface LayerNormCase {
  name?: string;
  tokens: number;
  channels: number;
  groups?: number;
  eps?: number;
  /** Added to every value: a mean far from zero must cost no accuracy. */
  offset?: number;
  scale?: number;
  activation?: Activation;
  bench?: BenchRequest;
}

function layerNormCase(c: LayerNormCase): OpCase<Ops> {
  const { tokens, channels, groups = 1, eps = 1e-5, offset = 0, scale = 1, activation } = c;
  const width = groups * channels;
  const x = randomTensor([tokens, width], 1, scale, (value) => value + offset);
  const options = { groups, eps, activation };
  return {
    op: 'layer-norm',
    name: [`${tokens}x${channels}`, groups > 1 && `${groups} groups`, activation, c.name].filter(Boolean).join(', '),
    inputs: { x, weight: randomTensor([width], 2), bias: randomTensor([width], 3) },
    variants: () => ['row', 'workgroup'],
    build: (ops, { x, weight, bias }) => ops.layerNorm(x!, weight!, bias!, options),
    // tfjs computes the moments in float32 sums whose order differs, so it is not asked about extreme means.
    kernelsOnly: offset !== 0,
    reference: ({ x, weight, bias }) => [
      layerNormReference(x!.values, weight!.values, bias!.values, { channels, groups, eps, activation }),
    ],
    ...benchOf(c.bench, {
      size: `${tokens}x${width}-${groups}`,
      flops: 8 * tokens * width,
      bytes: 8 * tokens * width,
      weights: ['weight', 'bias'],
    }),
  };
}

/** Rows below, at and above a workgroup of each kernel; one vector; rows longer than three steps of the tree. */
export const cases: OpCase<Ops>[] = [
  layerNormCase({ tokens: 1, channels: 4 }),
  layerNormCase({ tokens: 31, channels: 252 }),
  layerNormCase({ tokens: 32, channels: 256, groups: 2 }),
  layerNormCase({ tokens: 67, channels: 260, groups: 3, eps: 1e-6 }),
  layerNormCase({ tokens: 5, channels: 1028 }),
  layerNormCase({ tokens: 71, channels: 4, eps: 1e-6, activation: 'gelu' }),
  layerNormCase({ tokens: 33, channels: 64, eps: 1e-6, activation: 'gelu' }),
  layerNormCase({ name: 'tiny values, where eps decides', tokens: 9, channels: 64, scale: 1e-3 }),
  layerNormCase({ name: 'mean of 1000', tokens: 9, channels: 256, offset: 1000 }),
  layerNormCase({ name: 'more rows than one dimension of workgroups', tokens: 70_001, channels: 4 }),
  layerNormCase({ tokens: 1674, channels: 256, groups: 2, bench: { run: 'quick' } }),
  layerNormCase({ tokens: 25440, channels: 128, bench: true }),
];
