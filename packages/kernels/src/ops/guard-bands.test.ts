import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { supportedMatmul } from '../families/matmul/index.js';
import { initialize, type Runtime, shutdown } from '../index.js';
import { randomValues } from './case.js';
import { copyBlock } from './copy-block/index.js';
import { gemm, type MatmulVariant } from './gemm/index.js';
import { gemmReference } from './gemm/reference.js';
import { transpose } from './transpose/index.js';

// Kernels that write into a part of a tensor: what lies around that part must keep its bits, NaN payloads included.
let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const GUARD = 0x7fc0dead;

/** A tensor full of guards. */
function guarded(rows: number, columns: number): Tensor {
  const t = runtime.allocate([rows, columns]);
  runtime.write(t, new Uint8Array(new Uint32Array(rows * columns).fill(GUARD).buffer));
  return t;
}

/** Checks that exactly the elements of the rectangle were written, and returns them in order. */
async function insideOf(t: Tensor, row: number, column: number, rows: number, columns: number): Promise<number[]> {
  const buffer = await runtime.read(t);
  const bits = new Uint32Array(buffer);
  const values = new Float32Array(buffer);
  const width = t.shape[1]!;
  const inside: number[] = [];
  const touched: string[] = [];
  bits.forEach((word, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    if (y >= row && y < row + rows && x >= column && x < column + columns) inside.push(values[i]!);
    else if (word !== GUARD) touched.push(`${y},${x}`);
  });
  expect(touched, 'elements outside that were written').toEqual([]);
  return inside;
}

describe('gemm into a block', () => {
  const variantOf = (shape: { m: number; n: number; k: number; aligned: boolean }) =>
    supportedMatmul(shape, runtime.adapterClass).filter((v) => v !== 'subgroup-matrix');

  // Below, at and above the tiles of 16, 64 and 128; aligned for the vector kernel and not.
  it.each([
    [1, 4, 4, 3, 8],
    [5, 8, 12, 2, 4],
    [16, 32, 8, 1, 4],
    [17, 36, 8, 4, 12],
    [63, 60, 20, 9, 8],
    [65, 68, 16, 1, 4],
    [130, 132, 8, 2, 16],
    [7, 5, 3, 2, 3],
    [66, 67, 19, 1, 1],
  ])('%ix%ix%i at row %i, column %i', async (m, n, k, row, column) => {
    const [xs, ws] = [randomValues(m * k, 1), randomValues(k * n, 2)];
    const a = tensor(xs, [m, k]);
    const b = tensor(ws, [k, n]);
    const expected = gemmReference(xs, ws, { m, n, k }, {});
    const aligned = [n, k, column].every((v) => v % 4 === 0);
    const width = aligned ? n + column + 12 : n + column + 5;
    const variants: MatmulVariant[] = variantOf({ m, n, k, aligned });
    expect(variants.length).toBeGreaterThan(0);
    for (const variant of variants) {
      const target = guarded(m + row + 7, width);
      gemm(a, b, { into: { tensor: target, row, column }, variant });
      const inside = await insideOf(target, row, column, m, n);
      for (const [i, value] of inside.entries())
        if (!(Math.abs(value - expected[i]!) < 1e-4)) expect(value, `${variant}, element ${i}`).toBe(expected[i]);
      target.dispose();
    }
    for (const t of [a, b]) t.dispose();
  });
});

describe('copyBlock', () => {
  it.each([
    [4, 8, 0, 0, 16],
    [3, 5, 2, 3, 13],
    [65, 12, 1, 4, 20],
    [1, 1, 4, 6, 11],
  ])('%ix%i at row %i, column %i of %i columns', async (rows, columns, row, column, width) => {
    const values = randomValues(rows * columns, 3);
    const x = tensor(values, [rows, columns]);
    const target = guarded(rows + row + 3, width);
    copyBlock(x, target, { row, column });
    expect(await insideOf(target, row, column, rows, columns)).toEqual([...values]);
    for (const t of [x, target]) t.dispose();
  });
});

describe('transpose into columns', () => {
  it.each([
    [1, 1, 2, 7],
    [9, 6, 3, 17],
    [70, 33, 4, 80],
  ])('%ix%i at column %i of %i', async (rows, columns, column, width) => {
    const values = randomValues(rows * columns, 4);
    const x = tensor(values, [rows, columns]);
    const target = guarded(columns, width);
    transpose(x, { into: { tensor: target, column } });
    const expected = Array.from(
      { length: rows * columns },
      (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!,
    );
    expect(await insideOf(target, 0, column, columns, rows)).toEqual(expected);
    for (const t of [x, target]) t.dispose();
  });
});
