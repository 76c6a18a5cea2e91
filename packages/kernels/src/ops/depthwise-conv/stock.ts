import { add, depthwiseConv2d, pad, type Tensor, type Tensor3D, type Tensor4D, tidy } from '@tensorflow/tfjs-core';
import { convPadding } from '../../families/convolution.js';
import { stockActivation } from '../gemm/stock.js';
import type { DepthwiseConvOptions } from './index.js';

/** The unfused twin of `depthwiseConv`, from stock tfjs operations. */
export function stockDepthwiseConv(
  x: Tensor,
  weight: Tensor,
  options: Omit<DepthwiseConvOptions, 'variant'> = {},
): Tensor {
  const { bias, activation = 'none', stride = 1, dilation = 1 } = options;
  const [top, left, bottom, right] = convPadding(options.padding);
  return tidy(() => {
    const padded = pad(x as Tensor3D, [
      [top, bottom],
      [left, right],
      [0, 0],
    ]);
    const out: Tensor = depthwiseConv2d(padded, weight as Tensor4D, stride, 'valid', 'NHWC', dilation);
    return stockActivation(bias ? add(out, bias) : out, activation);
  });
}
