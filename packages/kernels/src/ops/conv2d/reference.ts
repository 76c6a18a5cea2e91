import type { Activation } from '../../families/activation/index.js';
import { convOutput } from '../../families/convolution.js';
import { ACTIVATIONS } from '../gemm/reference.js';

/** Plain-loop twin of `conv2d` in float64; `groups` of 1, or of C for a depth-wise kernel [kh, kw, C, 1]. */
export function conv2dReference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  shape: {
    height: number;
    width: number;
    channels: number;
    n: number;
    kernelHeight: number;
    kernelWidth: number;
    stride?: number;
    dilation?: number;
    padding?: readonly [number, number, number, number];
    depthwise?: boolean;
  },
  epilogue: {
    bias?: ArrayLike<number>;
    activation?: Activation;
    residual?: ArrayLike<number>;
    finalRelu?: boolean;
  } = {},
): Float64Array {
  const { height, width, channels, n, kernelHeight, kernelWidth, stride = 1, dilation = 1, depthwise = false } = shape;
  const [top, left, bottom, right] = shape.padding ?? [0, 0, 0, 0];
  const { bias, activation = 'none', residual, finalRelu = false } = epilogue;
  const outHeight = convOutput(height, kernelHeight, stride, dilation, top + bottom);
  const outWidth = convOutput(width, kernelWidth, stride, dilation, left + right);
  const out = new Float64Array(outHeight * outWidth * n);
  for (let oy = 0; oy < outHeight; oy++) {
    for (let ox = 0; ox < outWidth; ox++) {
      for (let j = 0; j < n; j++) {
        let sum = bias?.[j] ?? 0;
        for (let ky = 0; ky < kernelHeight; ky++) {
          const y = oy * stride - top + ky * dilation;
          if (y < 0 || y >= height) continue;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const px = ox * stride - left + kx * dilation;
            if (px < 0 || px >= width) continue;
            const pixel = (y * width + px) * channels;
            const tap = ky * kernelWidth + kx;
            if (depthwise) sum += x[pixel + j]! * weight[tap * n + j]!;
            else for (let c = 0; c < channels; c++) sum += x[pixel + c]! * weight[(tap * channels + c) * n + j]!;
          }
        }
        const index = (oy * outWidth + ox) * n + j;
        const total = ACTIVATIONS[activation](sum) + (residual?.[index] ?? 0);
        out[index] = finalRelu ? Math.max(0, total) : total;
      }
    }
  }
  return out;
}
