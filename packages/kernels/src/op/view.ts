import type { TensorInfo } from '@tensorflow/tfjs-core';

/** A batch of matrices in a tensor: element j of row i of matrix b is number `offset + b * batchStride + i * rowStride + j` of it. */
export interface MatrixView {
  /** Of any shape. */
  readonly tensor: TensorInfo;
  readonly offset: number;
  readonly rowStride: number;
  /** 0 where one matrix serves every batch. */
  readonly batchStride: number;
}

/** The matrices [rows, columns] or [batch, rows, columns] of a tensor, from an element of each on. */
export function matrixView(tensor: TensorInfo, offset = 0): MatrixView {
  const [rows, columns] = tensor.shape.slice(-2) as [number, number];
  const batched = tensor.shape.length === 3 && tensor.shape[0]! > 1;
  return { tensor, offset, rowStride: columns, batchStride: batched ? rows * columns : 0 };
}
