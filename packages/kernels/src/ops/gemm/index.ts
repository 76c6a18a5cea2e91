import type { Tensor } from '@tensorflow/tfjs-core';
import { getRuntime } from '../../dispatch/runtime.js';
import { ShapeError } from '../shape-error.js';
import { type Activation, launchMatmul } from './matmul-program.js';
import type { GemmVariant } from './select.js';
import { tunedGemm } from './tuning.js';

export type { Activation } from './matmul-program.js';
export { type GemmShape, type GemmVariant, selectGemm, supportedGemmVariants } from './select.js';

/** Options of `gemm`. */
export interface GemmOptions {
  /** Added to every row, [N]. */
  bias?: Tensor;
  activation?: Activation;
  /** Multiplies the product before the bias. */
  alpha?: number;
  /** Multiplies the activated result element by element, [M, N]. */
  gate?: Tensor;
  /** Added last, [M, N]. */
  residual?: Tensor;
  /** Uses only these columns of `a` as A: [first, count]. */
  aColumns?: readonly [first: number, count: number];
  /** Uses only these rows of `a` as A: [first, count]. */
  aRows?: readonly [first: number, count: number];
  /**
   * Uses only the first rows and columns of `b` as B: [K, N]. K may exceed the rows of `b` by less than 4 where the
   * columns of `a` there are zero: WebGPU bounds reads to the buffer, so what is read instead is finite.
   */
  bBlock?: readonly [rows: number, columns: number];
  /**
   * Writes into columns [column, column + N) of the rows from `row` on of an existing 2-D tensor, and returns that tensor.
   * `gate` and `residual` then have as many rows as the target.
   */
  into?: { tensor: Tensor; column?: number; row?: number };
  /**
   * Forces a kernel; for tests and benchmarks. `subgroup-matrix`, where the adapter supports it, is also the way to trade
   * precision for speed: it rounds both operands to f16.
   */
  variant?: GemmVariant;
}

/**
 * Matrix product with a fused epilogue: `activation(alpha * a b + bias) * gate + residual`.
 *
 * @param a float32 [M, K], or [B, M, K] for a batch of products.
 * @param b float32 [K, N], or [B, K, N]. Weights of a linear layer are stored transposed to PyTorch's [out, in]. int32 [K, N / 2] or
 *   [B, K, N / 2] is taken for pairs of float16, the first of each in the lower bits: half of the memory, sums in float32 as ever.
 * @returns float32 [M, N] or [B, M, N].
 * @throws ShapeError when the operands do not fit.
 */
export function gemm(a: Tensor, b: Tensor, options: GemmOptions = {}): Tensor {
  const { bias, gate, residual, activation = 'none', alpha = 1, into } = options;
  const runtime = getRuntime();
  const batched = b.rank === 3;
  if (a.rank !== b.rank || (a.rank !== 2 && !batched)) {
    throw new ShapeError('gemm', 'a and b of rank 2, or both of rank 3', { a, b });
  }
  const [aHeight, aStride] = a.shape.slice(-2) as [number, number];
  const [bHeight, bWidth] = b.shape.slice(-2) as [number, number];
  const bStride = b.dtype === 'int32' ? 2 * bWidth : bWidth;
  const [k, n] = options.bBlock ?? [bHeight, bStride];
  const batch = batched ? b.shape[0]! : 1;
  const [aRow, m] = options.aRows ?? [0, aHeight];
  const [aColumn, aCount] = options.aColumns ?? [0, aStride];
  if (
    k >= bHeight + 4 ||
    n > bStride ||
    aCount !== k ||
    aColumn + aCount > aStride ||
    aRow + m > aHeight ||
    (batched && a.shape[0] !== batch)
  ) {
    throw new ShapeError('gemm', `a with ${k} columns`, { a, b });
  }
  if (into && (batched || into.tensor.rank !== 2))
    throw new ShapeError('gemm', 'a target of rank 2', { into: into.tensor });
  const out = into?.tensor ?? runtime.allocate(batched ? [batch, m, n] : [m, n]);
  const [outHeight, outStride] = out.shape.slice(-2) as [number, number];
  const outOffset = into?.column ?? 0;
  const outRow = into?.row ?? 0;
  if (outOffset + n > outStride || outRow + m > outHeight) {
    throw new ShapeError(
      'gemm',
      `a target that holds rows ${outRow}..${outRow + m}, columns ${outOffset}..${outOffset + n}`,
      { out },
    );
  }
  if (bias && bias.size !== n) throw new ShapeError('gemm', `a bias of ${n}`, { bias });
  for (const [name, tensor] of Object.entries({ gate, residual })) {
    if (tensor && tensor.size !== batch * outHeight * n)
      throw new ShapeError('gemm', `a ${name} of [${outHeight}, ${n}]`, { tensor });
  }
  const aOffset = aRow * aStride + aColumn;
  const aligned = [aStride, bStride, aOffset, outStride, outOffset].every((x) => x % 4 === 0);
  const variant =
    options.variant ??
    runtime.chooser.choose(tunedGemm, { batch, m, n, k, aligned, half: b.dtype === 'int32' }, gemm, [a, b, options]);
  launchMatmul(runtime, {
    variant,
    a,
    b,
    out,
    bias,
    gate,
    residual,
    activation,
    alpha,
    m,
    n,
    k,
    batch,
    aStride,
    aOffset,
    outStride,
    outOffset,
    outRow,
    aBatch: aHeight * aStride,
    bStride,
    bBatch: bHeight * bStride,
    outBatch: m * n,
  });
  return out;
}
