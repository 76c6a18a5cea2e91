import type { Tensor } from '@tensorflow/tfjs-core';
import { type Activation, activation } from '../../families/activation/index.js';
import {
  launchMatmul,
  type MatmulShape,
  type MatmulVariant,
  matmulKernels,
  selectMatmul,
  supportedMatmul,
} from '../../families/matmul/index.js';
import { fields, float32, number, numbers, optional, variant } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import { float32OrFloat16 } from '../../op/float16.js';

export type { Activation } from '../../families/activation/index.js';
export type { MatmulShape, MatmulVariant } from '../../families/matmul/index.js';

/** Options of `gemm`. */
export interface GemmOptions {
  /** Added to every row, [N]. */
  bias?: Tensor | undefined;
  activation?: Activation | undefined;
  /** Multiplies the product before the bias. */
  alpha?: number | undefined;
  /** Multiplies the activated result element by element, [M, N]. */
  gate?: Tensor | undefined;
  /** Added last, [M, N]. */
  residual?: Tensor | undefined;
  /** Uses only these columns of `a` as A: [first, count]. */
  aColumns?: readonly [first: number, count: number] | undefined;
  /** Uses only these rows of `a` as A: [first, count]. */
  aRows?: readonly [first: number, count: number] | undefined;
  /**
   * Uses only the first rows and columns of `b` as B: [K, N]. K may exceed the rows of `b` by less than 4 where the
   * columns of `a` there are zero: WebGPU bounds reads to the buffer, so what is read instead is finite.
   */
  bBlock?: readonly [rows: number, columns: number] | undefined;
  /**
   * Writes into columns [column, column + N) of the rows from `row` on of an existing 2-D tensor, and returns that tensor.
   * `gate` and `residual` then have as many rows as the target.
   */
  into?: { tensor: Tensor; column?: number; row?: number } | undefined;
  /**
   * Forces a kernel; for tests and benchmarks. `subgroup-matrix`, where the adapter supports it, is also the way to trade
   * precision for speed: it rounds both operands to f16.
   */
  variant?: MatmulVariant | undefined;
}

/** What the choice of a kernel depends on. */
interface GemmShape extends MatmulShape {
  batch: number;
  /** Whether B holds float16. */
  half: boolean;
}

const kernels = matmulKernels('gemm');

/**
 * Matrix product with a fused epilogue: `activation(alpha * a b + bias) * gate + residual`.
 *
 * @param a float32 [M, K], or [B, M, K] for a batch of products.
 * @param b float32 [K, N], or [B, K, N]. Weights of a linear layer are stored transposed to PyTorch's [out, in]. int32 [K, N / 2] or
 *   [B, K, N / 2] with pairs of float16 that `asFloat16` was told of: half of the memory, sums in float32 as ever.
 * @returns float32 [M, N] or [B, M, N].
 * @throws ShapeError when the operands do not fit.
 */
export const gemm = defineOp({
  name: 'gemm',
  takes: {
    a: float32,
    b: float32OrFloat16,
    options: fields<GemmOptions>({
      bias: optional(float32),
      activation,
      alpha: optional(number),
      gate: optional(float32),
      residual: optional(float32),
      aColumns: optional(numbers),
      aRows: optional(numbers),
      bBlock: optional(numbers),
      into: optional(
        fields<NonNullable<GemmOptions['into']>>({ tensor: float32, column: optional(number), row: optional(number) }),
      ),
      variant,
    }),
  },
  kernels: Object.values(kernels),
  supported: (shape: GemmShape, adapter): readonly MatmulVariant[] => supportedMatmul(shape, adapter),
  select: (shape, adapter) => selectMatmul(shape, adapter),
  rounding: ['subgroup-matrix'],
  work: ({ batch, m, n, k, half }: GemmShape) => ({
    flops: 2 * batch * m * n * k,
    bytes: batch * (4 * m * k + (half ? 2 : 4) * k * n + 4 * m * n),
  }),
  run(call, a: Tensor, b: Tensor, options: GemmOptions = {}): Tensor {
    const { bias, gate, residual, activation, alpha, into } = options;
    const batched = b.rank === 3;
    if (a.rank !== b.rank || (a.rank !== 2 && !batched)) {
      throw call.wrong('a and b of rank 2, or both of rank 3', { a, b });
    }
    const [aHeight, aStride] = a.shape.slice(-2) as [number, number];
    const [bHeight, bWidth] = b.shape.slice(-2) as [number, number];
    const half = b.dtype === 'int32';
    const bStride = half ? 2 * bWidth : bWidth;
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
      throw call.wrong(`a with ${k} columns`, { a, b });
    }
    if (into && (batched || into.tensor.rank !== 2)) throw call.wrong('a target of rank 2', { into: into.tensor });
    const out = into?.tensor ?? call.allocate(batched ? [batch, m, n] : [m, n]);
    const [outHeight, outStride] = out.shape.slice(-2) as [number, number];
    const { column = 0, row = 0 } = into ?? {};
    if (column + n > outStride || row + m > outHeight) {
      throw call.wrong(`a target that holds rows ${row}..${row + m}, columns ${column}..${column + n}`, { out });
    }
    if (bias && bias.size !== n) throw call.wrong(`a bias of ${n}`, { bias });
    for (const [name, tensor] of [
      ['gate', gate],
      ['residual', residual],
    ] as const) {
      if (tensor && tensor.size !== batch * outHeight * n) {
        throw call.wrong(`a ${name} of [${outHeight}, ${n}]`, { tensor });
      }
    }
    const aOffset = aRow * aStride + aColumn;
    const aligned = [aStride, bStride, aOffset, outStride, column].every((x) => x % 4 === 0);
    launchMatmul(call.runtime, kernels, call.choose({ batch, m, n, k, aligned, half }), {
      m,
      n,
      k,
      batch,
      a: { tensor: a, offset: aOffset, rowStride: aStride, batchStride: aHeight * aStride },
      b: { tensor: b, offset: 0, rowStride: bStride, batchStride: bHeight * bStride },
      out: { tensor: out, offset: column, rowStride: outStride, batchStride: m * n, row },
      epilogue: { bias, gate, residual, activation, alpha },
    });
    return out;
  },
});
