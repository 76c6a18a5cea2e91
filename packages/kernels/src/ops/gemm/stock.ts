import { add, erf, matMul, mul, relu, relu6, reshape, sigmoid, slice, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { GemmOptions } from './index.js';
import type { Activation } from './matmul-program.js';

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
    case 'gelu':
      return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
  }
}

/** The unfused twin of `gemm`: the same function from stock tfjs operations, without `into`. */
export function stockGemm(a: Tensor, b: Tensor, options: Omit<GemmOptions, 'into' | 'variant'> = {}): Tensor {
  const { bias, gate, residual, activation = 'none', alpha = 1, aColumns } = options;
  return tidy(() => {
    const operand = aColumns ? slice(a, [0, aColumns[0]], [-1, aColumns[1]]) : a;
    let out = matMul(operand as Tensor, b);
    if (alpha !== 1) out = mul(out, alpha);
    if (bias) out = add(out, bias);
    out = stockActivation(out, activation);
    if (gate) out = mul(out, reshape(gate, out.shape));
    if (residual) out = add(out, reshape(residual, out.shape));
    return out;
  });
}
