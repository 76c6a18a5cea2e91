import type { Activation } from '../../families/activation/index.js';
import { convOutput, convPadding } from '../../families/convolution.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import { smallTiles } from '../gemm/cases.js';
import { type Conv2dOptions, conv2d } from './index.js';
import { conv2dReference } from './reference.js';

/** What the cases need of a set. */
type Ops = { conv2d: Portable<typeof conv2d> };

interface ConvCase {
  height: number;
  width: number;
  channels: number;
  n: number;
  kernel: number;
  stride?: number;
  dilation?: number;
  padding?: Conv2dOptions['padding'];
  bias?: boolean;
  residual?: boolean;
  finalRelu?: boolean;
  activation?: Activation;
  /** Also runs the largest tiles, which take a software rasteriser long to compile. */
  largeTiles?: boolean;
  /** Runs `split-k` alone. */
  split?: boolean;
  bench?: BenchRequest;
}

function convCase(c: ConvCase): OpCase<Ops> {
  const { height, width, channels, n, kernel, stride = 1, dilation = 1, activation = 'none', finalRelu = false } = c;
  const padding = convPadding(c.padding);
  const outHeight = convOutput(height, kernel, stride, dilation, padding[0] + padding[2]);
  const outWidth = convOutput(width, kernel, stride, dilation, padding[1] + padding[3]);
  const inputs: OpCase<Ops>['inputs'] = {
    x: randomTensor([height, width, channels], 1),
    weight: randomTensor([kernel, kernel, channels, n], 2),
  };
  if (c.bias) inputs.bias = randomTensor([n], 3);
  if (c.residual) inputs.residual = randomTensor([outHeight, outWidth, n], 4);
  const options = { stride, dilation, padding, activation, finalRelu };
  const details = [
    stride > 1 && `stride ${stride}`,
    dilation > 1 && `dilation ${dilation}`,
    activation !== 'none' && activation,
    finalRelu && 'final relu',
  ];
  return {
    op: 'conv2d',
    name: [`${height}x${width}x${channels} -> ${n}, ${kernel}x${kernel}`, ...details].filter(Boolean).join(' '),
    inputs,
    variants: (adapter) => {
      const shape = { m: outHeight * outWidth, n, k: channels, aligned: true };
      const supported = conv2d.supported({ ...shape, taps: kernel ** 2, stride, dilation }, adapter);
      return c.split ? ['split-k'] : c.largeTiles ? supported : smallTiles(supported);
    },
    build: (ops, { x, weight, ...rest }) => ops.conv2d(x!, weight!, { ...rest, ...options }),
    reference: ({ x, weight, bias, residual }) => [
      conv2dReference(
        x!.values,
        weight!.values,
        { height, width, channels, n, kernelHeight: kernel, kernelWidth: kernel, stride, dilation, padding },
        { bias: bias?.values, residual: residual?.values, activation, finalRelu },
      ),
    ],
    ...benchOf(c.bench, {
      size: `${kernel}x${kernel}-${height}x${width}x${channels}-${n}`,
      flops: 2 * outHeight * outWidth * n * kernel * kernel * channels,
      bytes: 4 * (height * width * channels + kernel * kernel * channels * n + outHeight * outWidth * n),
      weights: ['weight'],
    }),
  };
}

export const cases: OpCase<Ops>[] = [
  convCase({ height: 1, width: 1, channels: 4, n: 4, kernel: 1 }),
  convCase({ height: 7, width: 9, channels: 8, n: 12, kernel: 1, bias: true, activation: 'relu' }),
  convCase({ height: 9, width: 7, channels: 12, n: 20, kernel: 1, stride: 2, bias: true }),
  convCase({
    height: 13,
    width: 11,
    channels: 4,
    n: 32,
    kernel: 3,
    stride: 2,
    padding: 1,
    bias: true,
    activation: 'relu6',
    largeTiles: true,
  }),
  convCase({
    height: 9,
    width: 11,
    channels: 32,
    n: 36,
    kernel: 3,
    padding: 1,
    bias: true,
    residual: true,
    finalRelu: true,
    split: true,
  }),
  convCase({
    height: 17,
    width: 19,
    channels: 16,
    n: 36,
    kernel: 3,
    padding: 1,
    bias: true,
    residual: true,
    finalRelu: true,
    largeTiles: true,
  }),
  convCase({ height: 12, width: 10, channels: 8, n: 16, kernel: 3, padding: 2, dilation: 2 }),
  convCase({ height: 21, width: 23, channels: 4, n: 8, kernel: 7, stride: 2, padding: 3 }),
  convCase({ height: 8, width: 12, channels: 4, n: 8, kernel: 4, stride: 4, padding: [0, 0, 0, 0] }),
  convCase({ height: 5, width: 6, channels: 3, n: 11, kernel: 3, padding: [0, 1, 2, 1], bias: true }),
  convCase({ height: 61, width: 107, channels: 256, n: 128, kernel: 3, padding: 1, bench: { run: 'quick' } }),
  convCase({ height: 121, width: 213, channels: 128, n: 128, kernel: 3, padding: 1, bench: true }),
  convCase({ height: 24, width: 32, channels: 64, n: 64, kernel: 3, padding: 1, bench: { run: 'small' } }),
];
