import { decodeBf16, decodeF16 } from './half.js';
import { BYTES_PER_ELEMENT, type DType } from './types.js';

/** Product of the dimensions; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

/** The same bytes at an address that is a multiple of `alignment`, copied only if they are not already. */
function aligned(bytes: Uint8Array<ArrayBuffer>, alignment: number): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % alignment === 0 ? bytes : bytes.slice();
}

function bigToFloat32(values: BigInt64Array | BigUint64Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = Number(values[i]);
  return out;
}

/**
 * Little-endian elements of any stored dtype as float32 values, rounded to nearest.
 * The result never shares memory with `bytes`. Assumes a little-endian host, as WebGPU does.
 */
export function toFloat32(dtype: DType, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const size = BYTES_PER_ELEMENT[dtype];
  const count = bytes.byteLength / size;
  const { buffer, byteOffset } = aligned(bytes, size);
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, byteOffset, count).slice();
    case 'f16':
      return decodeF16(new Uint16Array(buffer, byteOffset, count));
    case 'bf16':
      return decodeBf16(new Uint16Array(buffer, byteOffset, count));
    case 'f64':
      return new Float32Array(new Float64Array(buffer, byteOffset, count));
    case 'i64':
      return bigToFloat32(new BigInt64Array(buffer, byteOffset, count));
    case 'u64':
      return bigToFloat32(new BigUint64Array(buffer, byteOffset, count));
    case 'i32':
      return new Float32Array(new Int32Array(buffer, byteOffset, count));
    case 'u32':
      return new Float32Array(new Uint32Array(buffer, byteOffset, count));
    case 'i16':
      return new Float32Array(new Int16Array(buffer, byteOffset, count));
    case 'u16':
      return new Float32Array(new Uint16Array(buffer, byteOffset, count));
    case 'i8':
      return new Float32Array(new Int8Array(buffer, byteOffset, count));
    case 'u8':
    case 'bool':
      return new Float32Array(bytes);
  }
}
