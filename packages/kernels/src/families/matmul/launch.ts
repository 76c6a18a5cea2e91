import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Runtime } from '../../dispatch/runtime.js';
import { foldWorkgroups } from '../../dispatch/workgroups.js';
import type { MatrixView } from '../../op/view.js';
import type { Activation } from '../activation/index.js';
import type { MatmulKernels } from './kernels.js';
import { type MatmulVariant, splitParts, tileSize, vectorTile } from './select.js';

/** What follows a matrix product: `activation(alpha * product + bias) * gate + residual`, and a ReLU of that if `finalRelu`. */
interface Epilogue {
  readonly bias?: TensorInfo;
  readonly gate?: TensorInfo;
  readonly residual?: TensorInfo;
  readonly activation?: Activation;
  readonly alpha?: number;
  readonly finalRelu?: boolean;
}

/** Geometry of a convolution, by which the rows of A are the pixels under its kernel. */
interface ConvGeometry {
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padTop: number;
  readonly padLeft: number;
}

/** A matrix product, or with `conv` an implicit one over the pixels of a convolution. */
export interface Matmul {
  /** Rows, columns and inner length of each product; of a convolution kernelHeight * kernelWidth * channels. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly a: MatrixView;
  /** A tensor of int32 holds pairs of float16; offset and strides count the numbers then, not the pairs. */
  readonly b: MatrixView;
  /** Where the product goes, from row `row` of it on. Gate and residual have rows for all of it, n long. */
  readonly out: MatrixView & { readonly row: number };
  readonly epilogue: Epilogue;
  readonly conv?: ConvGeometry;
}

/**
 * Output rows a subgroup of the broadcast kernel owns: more rows use each load of B more often, but compile longer and leave
 * fewer workgroups, so small products get fewer. So do narrow subgroups: SwiftShader, with lanes for 4, would take a minute to
 * compile 32 rows of a convolution.
 */
const broadcastRows = (m: number, subgroupSize: number): number =>
  Math.min(4 * subgroupSize, Math.max(m >= 256 ? 32 : 16, subgroupSize));

/** Records a matrix product. */
export function launchMatmul(runtime: Runtime, kernels: MatmulKernels, variant: MatmulVariant, product: Matmul): void {
  if (variant !== 'split-k') {
    launchProduct(runtime, kernels, variant, product, 1);
    return;
  }
  const { m, n, batch } = product;
  const parts = splitParts(product, runtime.adapterClass);
  const partial = runtime.allocate([batch * parts, m, n]);
  const out = { tensor: partial, offset: 0, rowStride: n, batchStride: m * n, row: 0 };
  launchProduct(runtime, kernels, variant, { ...product, out, epilogue: {} }, parts);
  launchMerge(runtime, kernels, product, partial, parts);
  partial.dispose();
}

/** Adds up the parts of a product, [batch * parts, M, N], and does what follows it. */
function launchMerge(
  runtime: Runtime,
  kernels: MatmulKernels,
  product: Matmul,
  partial: TensorInfo,
  parts: number,
): void {
  const { m, n, batch, out, epilogue } = product;
  const { bias, gate, residual, activation = 'none', alpha = 1, finalRelu = false } = epilogue;
  runtime.launch(kernels.merge, {
    params: { ACTIVATION: activation, FINAL_RELU: finalRelu },
    tensors: { partial, bias, gate, residual, out: out.tensor },
    uniforms: {
      m,
      n4: n / 4,
      parts,
      outStride4: out.rowStride / 4,
      outOffset4: out.offset / 4,
      outRow0: out.row,
      alpha,
      outBatch4: out.batchStride / 4,
    },
    workgroups: [...foldWorkgroups(Math.ceil((m * n) / 4 / 64)), batch],
  });
}

/** @param parts Workgroups that share the inner dimension, each of which writes a batch of its own. */
function launchProduct(
  runtime: Runtime,
  kernels: MatmulKernels,
  variant: MatmulVariant,
  { m, n, k, batch, a, b, out, epilogue, conv }: Matmul,
  parts: number,
): void {
  const { subgroupSize } = runtime.adapterClass;
  const { bias, gate, residual, activation = 'none', alpha = 1, finalRelu = false } = epilogue;
  const half = b.tensor.dtype === 'int32';
  const tensors = { a: a.tensor, b: b.tensor, bias, gate, residual, out: out.tensor };
  const tiling = vectorTile(variant);
  const { rows, columns } = tiling ? tileSize(tiling) : { rows: 64, columns: 64 };
  const tiles = [Math.ceil(m / rows), Math.ceil(n / columns), batch * parts] as const;
  // Literals without spreads: this is the kernel that networks launch most often, and spreads take as long as the launch.
  if (variant === 'tiled') {
    runtime.launch(kernels.tiled, {
      params: {
        CONV: conv !== undefined,
        B_HALF: half,
        B_ELEMENT: half ? 'u32' : 'f32',
        ACTIVATION: activation,
        FINAL_RELU: finalRelu,
      },
      tensors,
      uniforms: {
        m,
        n,
        k,
        bStride: b.rowStride,
        aStride: a.rowStride,
        aOffset: a.offset,
        outStride: out.rowStride,
        outOffset: out.offset,
        outRow0: out.row,
        alpha,
        aBatch: a.batchStride,
        bBatch: b.batchStride,
        outBatch: out.batchStride,
        inHeight: conv?.inHeight,
        inWidth: conv?.inWidth,
        outWidth: conv?.outWidth,
        kernelHeight: conv?.kernelHeight,
        kernelWidth: conv?.kernelWidth,
        stride: conv?.stride,
        dilation: conv?.dilation,
        padTop: conv?.padTop,
        padLeft: conv?.padLeft,
      },
      workgroups: tiles,
    });
    return;
  }
  // The kernels that read vectors of 4 count in them; their inner length is the channels of one tap.
  const broadcast = variant === 'broadcast' ? broadcastRows(m, subgroupSize) : undefined;
  runtime.launch(kernels[variant], {
    params: {
      CONV: conv !== undefined,
      B_HALF: half,
      B_ELEMENT: half ? 'vec2u' : 'vec4f',
      ACTIVATION: activation,
      FINAL_RELU: finalRelu,
      PARTS: tiling && parts,
      SG: tiling ? undefined : subgroupSize,
      ROWS: broadcast,
      LOADS: broadcast && broadcast / subgroupSize,
    },
    tensors,
    uniforms: {
      m,
      n4: n / 4,
      k4: k / (conv ? conv.kernelHeight * conv.kernelWidth : 1) / 4,
      bStride4: b.rowStride / 4,
      aStride4: a.rowStride / 4,
      aOffset4: a.offset / 4,
      outStride4: out.rowStride / 4,
      outOffset4: out.offset / 4,
      outRow0: out.row,
      alpha,
      aBatch4: a.batchStride / 4,
      bBatch4: b.batchStride / 4,
      outBatch4: out.batchStride / 4,
      inHeight: conv?.inHeight,
      inWidth: conv?.inWidth,
      outWidth: conv?.outWidth,
      kernelHeight: conv?.kernelHeight,
      kernelWidth: conv?.kernelWidth,
      stride: conv?.stride,
      dilation: conv?.dilation,
      padTop: conv?.padTop,
      padLeft: conv?.padLeft,
    },
    workgroups: broadcast ? [Math.ceil(m / broadcast), Math.ceil(n / 4 / subgroupSize), batch] : tiles,
  });
}
