import type { Activation } from '../../families/activation/index.js';
import { convOutput, convPadding } from '../../families/convolution.js';
import type { Portable } from '../../op/signature.js';
import { type BenchRequest, benchOf, type OpCase, randomTensor } from '../case.js';
import { conv2dReference } from '../conv2d/reference.js';
import { type DepthwiseConvOptions, depthwiseConv } from './index.js';

/** What the cases need of a set. */
type Ops = { depthwiseConv: Portable<typeof depthwiseConv> };

interface DepthwiseCase {
  height: number;
  width: number;
  channels: number;
  kernel: readonly [height: number, width: number];
  stride?: number;
  dilation?: number;
  padding?: DepthwiseConvOptions['padding'];
  bias?: boolean;
  activation?: Activation;
  bench?: BenchRequest;
}

function depthwiseCase(c: DepthwiseCase): OpCase<Ops> {
  const { height, width, channels, stride = 1, dilation = 1, activation = 'none' } = c;
  const [kernelHeight, kernelWidth] = c.kernel;
  const padding = convPadding(c.padding);
  const inputs: OpCase<Ops>['inputs'] = {
    x: randomTensor([height, width, channels], 1),
    weight: randomTensor([kernelHeight, kernelWidth, channels, 1], 2),
  };
  if (c.bias) inputs.bias = randomTensor([channels], 3);
  const options = { stride, dilation, padding, activation };
  const outHeight = convOutput(height, kernelHeight, stride, dilation, padding[0] + padding[2]);
  const outWidth = convOutput(width, kernelWidth, stride, dilation, padding[1] + padding[3]);
  const outputs = outHeight * outWidth * channels;
  const shape = { kernelHeight, kernelWidth, stride, dilation, outHeight, outWidth, channels };
  const details = [
    stride > 1 && `stride ${stride}`,
    dilation > 1 && `dilation ${dilation}`,
    activation !== 'none' && activation,
  ];
  return {
    op: 'depthwise-conv',
    name: [`${height}x${width}x${channels}, ${c.kernel.join('x')}`, ...details].filter(Boolean).join(' '),
    inputs,
    variants: (adapter) => depthwiseConv.supported(shape, adapter),
    build: (ops, { x, weight, ...rest }) => ops.depthwiseConv(x!, weight!, { ...rest, ...options }),
    // tfjs has no depth-wise convolution that is both strided and dilated; its strided and its oblong ones take a software
    // rasteriser 10 s to compile, and are left to the tests of the networks.
    kernelsOnly: stride > 1 || kernelHeight !== kernelWidth,
    reference: ({ x, weight, bias }) => [
      conv2dReference(
        x!.values,
        weight!.values,
        { height, width, channels, n: channels, kernelHeight, kernelWidth, stride, dilation, padding, depthwise: true },
        { bias: bias?.values, activation },
      ),
    ],
    ...benchOf(c.bench, {
      size: `${c.kernel.join('x')}-${height}x${width}x${channels}${stride > 1 ? `-stride-${stride}` : ''}`,
      flops: 2 * kernelHeight * kernelWidth * outputs,
      bytes: 4 * (height * width * channels + kernelHeight * kernelWidth * channels + outputs),
      // Of strided ones the twin is not asked, and no other engine.
      ...(stride === 1 && { weights: ['weight', 'bias'] }),
    }),
  };
}

/** Widths below, at and above a strip; images smaller than the kernel's reach; every kernel that a model uses. */
export const cases: OpCase<Ops>[] = [
  depthwiseCase({ height: 1, width: 1, channels: 4, kernel: [1, 1] }),
  depthwiseCase({ height: 67, width: 63, channels: 1024, kernel: [1, 1] }),
  depthwiseCase({ height: 9, width: 64, channels: 12, kernel: [3, 3], padding: 1, bias: true, activation: 'relu6' }),
  depthwiseCase({ height: 5, width: 17, channels: 20, kernel: [3, 3], padding: 2, dilation: 2 }),
  depthwiseCase({ height: 13, width: 131, channels: 8, kernel: [3, 3], padding: 1, stride: 2, bias: true }),
  depthwiseCase({ height: 7, width: 65, channels: 36, kernel: [5, 5], padding: 2 }),
  depthwiseCase({ height: 2, width: 3, channels: 4, kernel: [5, 5], padding: 2 }),
  depthwiseCase({ height: 11, width: 12, channels: 8, kernel: [3, 4], padding: [0, 1, 2, 3], bias: true }),
  depthwiseCase({ height: 16, width: 19, channels: 4, kernel: [7, 11], padding: 5, stride: 2, dilation: 2 }),
  depthwiseCase({ height: 31, width: 54, channels: 1024, kernel: [5, 5], padding: 2, bench: { run: 'quick' } }),
  depthwiseCase({
    height: 121,
    width: 213,
    channels: 144,
    kernel: [3, 3],
    padding: 1,
    bias: true,
    activation: 'relu6',
    bench: true,
  }),
  depthwiseCase({
    height: 241,
    width: 425,
    channels: 96,
    kernel: [3, 3],
    padding: 1,
    stride: 2,
    bias: true,
    activation: 'relu6',
    bench: true,
  }),
];
