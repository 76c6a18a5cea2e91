import type { Activation } from '../../families/activation/index.js';

/** erf to double precision, by its Maclaurin series or continued fraction. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= -(z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
}

/** The activations in double precision. */
export const ACTIVATIONS: Record<Activation, (x: number) => number> = {
  none: (x) => x,
  relu: (x) => Math.max(0, x),
  relu6: (x) => Math.min(6, Math.max(0, x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
};

/** Plain-loop twin of `gemm` in float64 for one product; operands are flat row-major arrays. */
export function gemmReference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { m, n, k }: { m: number; n: number; k: number },
  epilogue: {
    bias?: ArrayLike<number>;
    activation?: Activation;
    alpha?: number;
    gate?: ArrayLike<number>;
    residual?: ArrayLike<number>;
  } = {},
): Float64Array {
  const { bias, activation = 'none', alpha = 1, gate, residual } = epilogue;
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[i * k + l]! * b[l * n + j]!;
      const index = i * n + j;
      const value = ACTIVATIONS[activation](alpha * sum + (bias?.[j] ?? 0));
      out[index] = value * (gate?.[index] ?? 1) + (residual?.[index] ?? 0);
    }
  }
  return out;
}
