/**
 * float16 and bfloat16 to and from float32, on arrays of bit patterns.
 * f16 decoding is a 256 KiB table built on first use; encoding rounds to nearest, ties to even, as PyTorch and WGSL do.
 */

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** One float16 bit pattern as a number. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The float16 bit pattern nearest to a number (first rounded to float32); beyond 65519.99 it is infinity. */
export function f32ToF16(value: number): number {
  float[0] = value;
  return f16FromWord(word[0]!);
}

function f16FromWord(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520, halfway between the largest float16 and the next step, already rounds to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent (127 - 15 = 112), then round off 13 bits to even; a carry moves into the exponent by itself.
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  // Subnormal: the value in units of 2^-24, rounded to even by hand.
  float[0] = 0;
  word[0] = magnitude;
  const units = float[0]! * 2 ** 24;
  const floor = Math.floor(units);
  const rest = units - floor;
  return sign | (rest > 0.5 || (rest === 0.5 && floor & 1) ? floor + 1 : floor);
}

let f16Table: Float32Array | undefined;

function decodingTable(): Float32Array {
  if (!f16Table) {
    f16Table = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) f16Table[bits] = f16ToF32(bits);
  }
  return f16Table;
}

/** Float16 bit patterns to float32 values. Exact. */
export function decodeF16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const table = decodingTable();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
  return out;
}

/** Float32 values to float16 bit patterns, rounded to nearest even. */
export function encodeF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) out[i] = f16FromWord(words[i]!);
  return out;
}

/** Bfloat16 bit patterns to float32 values. Exact: bfloat16 is the upper half of a float32. */
export function decodeBf16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** Float32 values to bfloat16 bit patterns, rounded to nearest even; NaN stays NaN. */
export function encodeBf16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const bits = words[i]!;
    out[i] = (bits & 0x7fffffff) > 0x7f800000 ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return out;
}
