import type { DType } from './types.js';
import { BYTES_PER_ELEMENT } from './types.js';

/** Whether elements lie in C order without gaps; the stride of a dimension of size 1 does not matter. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/**
 * The C-order copy of a strided view (a transposed, sliced or expanded tensor).
 * @param bytes from the view's first element on; need not be aligned
 * @param strides in elements, non-negative; 0 repeats
 */
export function gatherStrided(
  dtype: DType,
  bytes: Uint8Array<ArrayBuffer>,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array<ArrayBuffer> {
  // Values are moved as unsigned integers, so that NaN patterns survive.
  const Word = ({ 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const)[
    BYTES_PER_ELEMENT[dtype] as 1 | 2 | 4 | 8
  ];
  const source = new Word(bytes.slice().buffer);
  const total = shape.reduce((product, dimension) => product * dimension, 1);
  const target = new Word(total);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let i = 0; i < total; i++) {
    target[i] = source[position]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      position -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return new Uint8Array(target.buffer);
}
