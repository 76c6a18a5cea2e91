import type { Conv2dOptions, DepthwiseConvOptions, OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type FoldedConvShape, loadFoldedConv } from './frozen-batch-norm.js';
import { Linear, type LinearOptions } from './linear.js';
import { convLayout } from './parameters.js';
import type { LayerSource } from './source.js';

/** Distance of outputs, of the kernel's taps, and zeros around the image. */
export type ConvGeometry = Pick<Conv2dOptions, 'stride' | 'dilation' | 'padding'>;

/** How a convolution is read. */
export interface ConvOptions extends ConvGeometry {
  /** False for one without. */
  bias?: boolean | undefined;
  /** Input channels of the image that it is applied to, where that has zero channels added. */
  paddedInputs?: number | undefined;
}

/** A convolution of an image. */
export class Conv2d {
  constructor(
    private readonly ops: OpSet,
    /** float32 [kh, kw, in, out]. */
    private readonly weight: Tensor,
    /** float32 [out]. */
    private readonly bias: Tensor | undefined,
    private readonly geometry: ConvGeometry = {},
  ) {}

  /** Reads a square convolution, `key.weight` and `key.bias`. */
  static async load(
    { weights, ops }: LayerSource,
    key: string,
    inputs: number,
    outputs: number,
    kernel: number,
    { bias: hasBias = true, paddedInputs = inputs, ...geometry }: ConvOptions = {},
  ): Promise<Conv2d> {
    const shape = [outputs, inputs, kernel, kernel] as const;
    const weight = convLayout(await weights.take(`${key}.weight`, shape), shape, paddedInputs);
    const bias = hasBias ? weights.own(tensor(await weights.take(`${key}.bias`, [outputs]))) : undefined;
    return new Conv2d(ops, weights.own(tensor(weight, [kernel, kernel, paddedInputs, outputs])), bias, geometry);
  }

  /** Reads a 1x1 convolution, outputs padded as those of a linear layer may be. */
  static async loadPointwise(
    source: LayerSource,
    key: string,
    inputs: number,
    outputs: number,
    options?: LinearOptions,
  ): Promise<Conv2d> {
    const { weights, ops } = source;
    const { weight, bias } = await Linear.load(source, key, inputs, outputs, { pointwise: true, ...options });
    return new Conv2d(ops, weights.own(reshape(weight, [1, 1, ...weight.shape])), bias);
  }

  /** Reads a convolution without bias, with the frozen batch normalisation behind it folded in. */
  static async loadFolded(
    { weights, ops }: LayerSource,
    conv: string,
    norm: string,
    shape: Omit<FoldedConvShape, 'depthwise'>,
    geometry?: ConvGeometry,
  ): Promise<Conv2d> {
    const { weight, bias } = await loadFoldedConv(weights, conv, norm, shape);
    return new Conv2d(ops, weight, bias, geometry);
  }

  /** @param x float32 [H, W, in]. @returns float32 [outH, outW, out]. */
  forward(x: Tensor, options: Omit<Conv2dOptions, 'bias' | 'variant'> = {}): Tensor {
    return this.ops.conv2d(x, this.weight, { bias: this.bias, ...this.geometry, ...options });
  }
}

/** A convolution of each channel with a kernel of its own. */
export class DepthwiseConv {
  private constructor(
    private readonly ops: OpSet,
    /** float32 [k, k, channels, 1]. */
    private readonly weight: Tensor,
    private readonly bias: Tensor | undefined,
    private readonly geometry: ConvGeometry,
  ) {}

  /** Reads `key.weight` and `key.bias`. */
  static async load(
    { weights, ops }: LayerSource,
    key: string,
    channels: number,
    kernel: number,
    { bias: hasBias = true, ...geometry }: Omit<ConvOptions, 'paddedInputs'>,
  ): Promise<DepthwiseConv> {
    // A convolution of one input channel, with its two last axes swapped: one of them is 1.
    const shape = [channels, 1, kernel, kernel] as const;
    const weight = convLayout(await weights.take(`${key}.weight`, shape), shape);
    const bias = hasBias ? weights.own(tensor(await weights.take(`${key}.bias`, [channels]))) : undefined;
    return new DepthwiseConv(ops, weights.own(tensor(weight, [kernel, kernel, channels, 1])), bias, geometry);
  }

  /** Reads one without bias, with the frozen batch normalisation behind it folded in. */
  static async loadFolded(
    { weights, ops }: LayerSource,
    conv: string,
    norm: string,
    channels: number,
    kernel: number,
    geometry: ConvGeometry,
  ): Promise<DepthwiseConv> {
    const shape = { inputs: channels, outputs: channels, kernel, depthwise: true };
    const { weight, bias } = await loadFoldedConv(weights, conv, norm, shape);
    return new DepthwiseConv(ops, weight, bias, geometry);
  }

  /** @param x float32 [H, W, channels]. */
  forward(x: Tensor, options: Pick<DepthwiseConvOptions, 'activation'> = {}): Tensor {
    return this.ops.depthwiseConv(x, this.weight, { bias: this.bias, ...this.geometry, ...options });
  }
}
