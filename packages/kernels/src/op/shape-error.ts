import type { TensorInfo } from '@tensorflow/tfjs-core';

/** Operands of a kernel that do not fit together; names the operation and every shape involved. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
  constructor(
    readonly op: string,
    expected: string,
    tensors: Readonly<Record<string, TensorInfo | undefined>>,
  ) {
    const shapes = Object.entries(tensors).flatMap(([name, tensor]) =>
      tensor ? [`${name} [${tensor.shape.join(', ')}]`] : [],
    );
    super(`${op}: expected ${expected}, got ${shapes.join(', ')}`);
  }
}
