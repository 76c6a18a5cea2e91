import { add, erf, matMul, mul, relu, relu6, reshape, sigmoid, slice, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { Activation } from '../../families/activation/index.js';
import type { GemmOptions } from './index.js';

/** An activation built from stock tfjs operations. */
export function stockActivation(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return relu(x);
    case 'relu6':
      return relu6(x);
    case 'silu':
      return mul(x, sigmoid(x));
    case 'sigmoid':
      return sigmoid(x);
    case 'gelu':
      return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
  }
}

/** The unfused twin of `gemm`: the same function from stock tfjs operations, without `into`. */
export function stockGemm(a: Tensor, b: Tensor, options: Omit<GemmOptions, 'into' | 'variant'> = {}): Tensor {
  const { bias, gate, residual, activation = 'none', alpha = 1, aColumns, aRows, bBlock } = options;
  return tidy(() => {
    const [row, rows] = aRows ?? [0, -1];
    const [column, columns] = aColumns ?? [0, -1];
    const operand = aRows || aColumns ? slice(a, [row, column], [rows, columns]) : a;
    let out = matMul(operand, bBlock ? slice(b, [0, 0], [...bBlock]) : b);
    if (alpha !== 1) out = mul(out, alpha);
    if (bias) out = add(out, bias);
    out = stockActivation(out, activation);
    if (gate) out = mul(out, reshape(gate, out.shape));
    if (residual) out = add(out, reshape(residual, out.shape));
    return out;
  });
}
