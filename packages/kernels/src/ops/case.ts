import type { Tensor } from '@tensorflow/tfjs-core';
import type { AdapterClass } from '../device/adapter.js';

/** Deterministic test data: flat values with their shape. Integers make an int32 tensor. */
export interface CaseTensor {
  shape: number[];
  values: Float32Array | Int32Array;
}

/**
 * One case of an operation. The same object serves the test (against the float64 reference and the stock twin), the
 * benchmark (through `flops` and `bytes`) and the support check (through `variants`).
 */
export interface OpCase {
  op: string;
  name: string;
  inputs: Record<string, CaseTensor>;
  /** Kernel variants that can run this case on an adapter. */
  variants(adapter: AdapterClass): string[];
  /** Runs the operation with a variant forced. */
  run(inputs: Record<string, Tensor>, variant: string | undefined): Tensor | Tensor[];
  /** The float64 twin, one flat array an output. */
  reference(inputs: Record<string, CaseTensor>): Float64Array[];
  /** The same from stock tfjs operations, where there is one. */
  stock?(inputs: Record<string, Tensor>): Tensor | Tensor[];
  /** Normalised squared error allowed; 1e-12 unless the case says why not. */
  tolerance?: number;
  /** Arithmetic of one run. Cases that have it are benchmarked. */
  flops?: number;
  /** Bytes that must be read and written at least. */
  bytes?: number;
}

/** A reproducible sequence of values in [-1, 1) (xorshift32). */
export function randomValues(count: number, seed = 1): Float32Array {
  const values = new Float32Array(count);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = ((state >>> 0) / 2 ** 32) * 2 - 1;
  }
  return values;
}

/** A random tensor for a case. */
export function randomTensor(shape: number[], seed = 1, scale = 1): CaseTensor {
  const values = randomValues(
    shape.reduce((a, b) => a * b, 1),
    seed,
  );
  if (scale !== 1) for (let i = 0; i < values.length; i++) values[i]! *= scale;
  return { shape, values };
}
