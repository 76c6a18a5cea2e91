import {
  add,
  pad,
  relu,
  reshape,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  conv2d as tfConv2d,
  tidy,
} from '@tensorflow/tfjs-core';
import { convPadding } from '../../families/convolution.js';
import { stockActivation } from '../gemm/stock.js';
import type { Conv2dOptions } from './index.js';

/** The unfused twin of `conv2d`, from stock tfjs operations. */
export function stockConv2d(x: Tensor, weight: Tensor, options: Omit<Conv2dOptions, 'variant'> = {}): Tensor {
  const { bias, activation = 'none', residual, finalRelu = false, stride = 1, dilation = 1 } = options;
  const [top, left, bottom, right] = convPadding(options.padding);
  return tidy(() => {
    const padded =
      top + left + bottom + right === 0
        ? x
        : pad(x as Tensor3D, [
            [top, bottom],
            [left, right],
            [0, 0],
          ]);
    let out: Tensor = tfConv2d(padded as Tensor3D, weight as Tensor4D, stride, 'valid', 'NHWC', dilation);
    if (bias) out = add(out, bias);
    out = stockActivation(out, activation);
    if (residual) out = add(out, reshape(residual, out.shape));
    return finalRelu ? relu(out) : out;
  });
}
