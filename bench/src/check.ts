import type { Runtime } from '@samtrack/kernels';
import {
  allCases,
  normalisedError,
  type OpCase,
  runCase,
  runsOf,
  toleranceOf,
  toTensor,
} from '@samtrack/kernels/testing';
import { dispose } from '@tensorflow/tfjs-core';

/** What came of one kernel on one case. */
export interface CheckResult {
  readonly op: string;
  readonly name: string;
  /** `selected` is whatever the selection picks. */
  readonly variant: string;
  readonly tolerance: number;
  /** Normalised squared error against the float64 reference, the largest of all outputs; missing where the kernel failed. */
  readonly error?: number;
  /** Why it failed. */
  readonly failure?: string;
}

export const passes = ({ error, tolerance }: CheckResult): boolean => error !== undefined && error <= tolerance;

/**
 * Runs every variant of every kernel that the adapter supports on the kernels' test cases and compares it with its float64
 * reference. A kernel that fails does not end the check.
 * @param only Only operations whose names contain this.
 */
export async function checkKernels(
  runtime: Runtime,
  only: string | undefined,
  onResult: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  // The cases that are benchmarked are large, and their references slow.
  for (const opCase of allCases.filter(({ op, bench }) => !bench && (!only || op.includes(only)))) {
    const expected = opCase.reference(opCase.inputs);
    for (const variant of runsOf(opCase, runtime)) {
      const { op, name } = opCase;
      const result: CheckResult = {
        ...{ op, name, variant: variant ?? 'selected', tolerance: toleranceOf(opCase, variant) },
        ...(await checkRun(runtime, opCase, variant, expected)),
      };
      results.push(result);
      onResult(result);
    }
  }
  return results;
}

async function checkRun(
  runtime: Runtime,
  opCase: OpCase,
  variant: string | undefined,
  expected: readonly Float64Array[],
): Promise<Pick<CheckResult, 'error' | 'failure'>> {
  const inputs = Object.fromEntries(Object.entries(opCase.inputs).map(([key, t]) => [key, toTensor(t)]));
  try {
    const outputs = runCase(runtime, opCase, inputs, variant);
    const errors: number[] = [];
    for (const [i, output] of outputs.entries()) errors.push(normalisedError(await output.data(), expected[i]!));
    dispose(outputs);
    runtime.throwIfFailed();
    return { error: Math.max(...errors) };
  } catch (error) {
    return { failure: (error as Error).message };
  } finally {
    dispose(inputs);
  }
}
