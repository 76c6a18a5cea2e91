import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { Runtime } from '../dispatch/runtime.js';
import type { OpCase as CaseOf, CaseTensor } from '../ops/case.js';
import { fusedOps, type OpSet } from '../ops/op-set.js';
import { tuningOf } from '../tuning/tuning.js';

export { normalisedError } from '../common/index.js';
export { type CaseBench, type CaseTensor, randomTensor, randomValues } from '../ops/case.js';
export { allCases, benchmarkCases } from '../ops/cases.js';

/** A case of an operation, on any set of operations. */
export type OpCase = CaseOf<OpSet>;

/** What rounding operands to f16 costs; every other kernel computes in f32. */
const F16_TOLERANCE = 1e-6;

/** Normalised squared error that a case allows a variant. */
export const toleranceOf = ({ tolerance = 1e-12 }: OpCase, variant: string | undefined): number =>
  variant === 'subgroup-matrix' ? F16_TOLERANCE : tolerance;

/** Uploads case data. */
export function toTensor({ shape, values }: CaseTensor): Tensor {
  return tensor(values, shape, values instanceof Int32Array ? 'int32' : 'float32');
}

/**
 * Leaves NaN in the pooled buffers that an operation with these output sizes will receive, so that an output it forgets
 * to write shows.
 */
export async function poisonOutputs(runtime: Runtime, sizes: readonly number[]): Promise<void> {
  const poisoned = sizes.flatMap((size) => [0, 1].map(() => runtime.allocate([size])));
  for (const t of poisoned) if (t.size > 0) runtime.write(t, new Float32Array(t.size).fill(Number.NaN));
  await runtime.finish();
  for (const t of poisoned) t.dispose();
}

/** What a case runs as on an adapter: each variant that can, and at last whatever is selected. */
export const runsOf = (opCase: OpCase, { adapterClass }: Runtime): (string | undefined)[] => [
  ...(opCase.variants?.(adapterClass) ?? []),
  undefined,
];

/** Runs a case with the kernels, as one variant or as whatever is selected. */
export function runCase(runtime: Runtime, opCase: OpCase, inputs: Record<string, Tensor>, variant?: string): Tensor[] {
  const run = () => [opCase.build(fusedOps, inputs)].flat();
  return variant === undefined ? run() : tuningOf(runtime).force(opCase.chooses ?? opCase.op, variant, run);
}
