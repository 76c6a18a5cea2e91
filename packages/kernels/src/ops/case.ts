import type { Tensor } from '@tensorflow/tfjs-core';
import { xorshift32 } from '../common/index.js';
import type { AdapterClass } from '../device/adapter.js';

/** Deterministic test data: flat values with their shape. Integers make an int32 tensor. */
export interface CaseTensor {
  shape: number[];
  readonly values: Float32Array | Int32Array;
}

/**
 * One case of an operation. The same object serves the test (against the float64 reference and the stock twin), the
 * benchmark (through `flops` and `bytes`) and the support check (through `variants`).
 */
export interface OpCase<Ops = object> {
  op: string;
  name: string;
  inputs: Record<string, CaseTensor>;
  /** Variants of the operation that can run this case on an adapter; missing where there is no choice. */
  variants?(adapter: AdapterClass): readonly string[];
  /** The operation whose variants they are; `op` unless it is made of another one that has them. */
  chooses?: string;
  /** The work, on any set of operations that has those it needs. */
  build(ops: Ops, inputs: Record<string, Tensor>): Tensor | Tensor[];
  /** The same from stock tfjs operations, where the sets have no name for it. */
  stock?(inputs: Record<string, Tensor>): Tensor | Tensor[];
  /** Whether the kernels alone do it: sets have no name for the operation, or the stock twin is not asked. */
  kernelsOnly?: boolean;
  /** The float64 twin, one flat array an output. */
  reference(inputs: Record<string, CaseTensor>): Float64Array[];
  /** Normalised squared error allowed; 1e-12 unless the case says why not. */
  tolerance?: number;
  /** Set where the case is of a size that models use, and is benchmarked instead of tested. */
  bench?: CaseBench;
}

/** What a case is benchmarked as. */
export interface CaseBench {
  /** With the operation's name, that of the benchmark: `gemm@256x512x512`. */
  size: string;
  /** Arithmetic of one run. */
  flops: number;
  /** Bytes that must be read and written at least. */
  bytes?: number;
  /** Inputs that are constants of the graph where the work is traced for another engine; missing where it is not. */
  weights?: readonly string[];
  /** Part of a quick run; or of one on a browser's software adapter, which computes a tenth of what others do, alone. */
  run?: 'quick' | 'small';
}

/** How a case is declared as a benchmark: by its size, if it has no better name, or by what is said here. */
export type BenchRequest = true | Pick<CaseBench, 'run'>;

/** The benchmark of a case, if one is asked for. */
export const benchOf = (
  request: BenchRequest | false | undefined,
  bench: Omit<CaseBench, 'run'>,
): Pick<OpCase, 'bench'> => (request ? { bench: { ...bench, ...(request === true ? {} : request) } } : {});

/** A reproducible sequence of values in [-1, 1) (xorshift32). */
export function randomValues(count: number, seed = 1): Float32Array {
  const values = new Float32Array(count);
  const next = xorshift32((seed * 2654435761) >>> 0 || 1);
  for (let i = 0; i < count; i++) values[i] = (next() / 2 ** 32) * 2 - 1;
  return values;
}

/** A tensor whose values are made when they are first asked for: most programs that load the cases run few of them. */
export function lazyTensor(shape: number[], make: () => CaseTensor['values']): CaseTensor {
  let values: CaseTensor['values'] | undefined;
  return {
    shape,
    get values() {
      values ??= make();
      return values;
    },
  };
}

/**
 * A random tensor for a case.
 * @param change makes of the scaled values others, by their index
 */
export function randomTensor(
  shape: number[],
  seed = 1,
  scale = 1,
  change?: (value: number, index: number) => number,
): CaseTensor {
  return lazyTensor(shape, () => {
    const values = randomValues(
      shape.reduce((a, b) => a * b, 1),
      seed,
    );
    if (scale !== 1) for (let i = 0; i < values.length; i++) values[i]! *= scale;
    if (change) for (let i = 0; i < values.length; i++) values[i] = change(values[i]!, i);
    return values;
  });
}

/** Two results of a reference as the columns of one matrix of so many rows. */
export function sideBySide(left: Float64Array, right: Float64Array, rows: number): Float64Array {
  const out = new Float64Array(left.length + right.length);
  const [leftWidth, rightWidth] = [left.length / rows, right.length / rows];
  for (let row = 0, at = 0; row < rows; row++) {
    out.set(left.subarray(row * leftWidth, (row + 1) * leftWidth), at);
    out.set(right.subarray(row * rightWidth, (row + 1) * rightWidth), at + leftWidth);
    at += leftWidth + rightWidth;
  }
  return out;
}
