import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBf16, decodeF16, encodeBf16, encodeF16, f16ToF32, f32ToF16 } from '../../src/checkpoint/index.js';

const allPatterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const isF16NaN = (bits: number) => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;

describe('float16', () => {
  it.each([
    [0x0000, 0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0x7bff, 65504],
    [0xc000, -2],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ])('0x%s is %d', (bits, value) => {
    expect(f16ToF32(bits)).toBe(value);
    expect(f32ToF16(value)).toBe(bits);
  });

  it('keeps the sign of zero', () => {
    expect(Object.is(f16ToF32(0x8000), -0)).toBe(true);
    expect(f32ToF16(-0)).toBe(0x8000);
  });

  it('every pattern survives decoding and encoding', () => {
    const back = encodeF16(decodeF16(allPatterns));
    const lost = [...allPatterns].filter((bits) => (isF16NaN(bits) ? !isF16NaN(back[bits]!) : back[bits] !== bits));
    expect(lost).toEqual([]);
  });

  it('rounds to the nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const bits = f32ToF16(value);
        const magnitude = bits & 0x7fff;
        const distance = (pattern: number) => Math.abs(f16ToF32(pattern) - Math.abs(value));
        if (magnitude === 0x7c00) return Math.abs(value) >= 65520;
        const below = magnitude > 0 ? distance(magnitude - 1) : Number.POSITIVE_INFINITY;
        const above = magnitude < 0x7bff ? distance(magnitude + 1) : Math.abs(65536 - Math.abs(value));
        const here = distance(magnitude);
        const even = magnitude % 2 === 0;
        return here <= below && here <= above && (even || (here < below && here < above));
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -25, 0x0000],
    [3 * 2 ** -25, 0x0002],
    [2 ** -14 - 2 ** -25, 0x0400],
    [Number.NaN, 0x7e00],
  ])('encodes %d as its neighbour', (value, bits) => {
    expect(f32ToF16(value)).toBe(bits);
  });
});

describe('bfloat16', () => {
  it('every pattern survives decoding and encoding', () => {
    const decoded = decodeBf16(allPatterns);
    const back = encodeBf16(decoded);
    const lost = [...allPatterns].filter((bits) =>
      Number.isNaN(decoded[bits]) ? (back[bits]! & 0x7fff) <= 0x7f80 : back[bits] !== bits,
    );
    expect(lost).toEqual([]);
  });

  it('rounds to nearest even and overflows to infinity', () => {
    const encoded = encodeBf16(
      Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 3.4028234663852886e38),
    );
    expect([...encoded]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x7f80]);
  });
});
