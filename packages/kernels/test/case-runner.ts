import { memory, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initialize, type Runtime, shutdown } from '../src/index.js';
import { allCases } from '../src/ops/cases.js';
import { stockOps } from '../src/ops/op-set.js';
import type { OpCase } from '../src/testing/index.js';
import { normalisedError, poisonOutputs, runCase, runsOf, toleranceOf, toTensor } from '../src/testing/index.js';

/** Operations whose programs are all forms of the matrix product; their compilation is half of the time of the tests. */
export const MATRIX_OPS: readonly string[] = ['gemm', 'conv2d', 'attention', 'linear-concat'];

interface CaseTestOptions {
  /** Of the variants that an adapter supports, those to run; a case without one is not a failure but skipped. */
  variants?: (variant: string, op: string) => boolean;
  /** Whether the stock twin is compared with the reference too. True by default. */
  stock?: boolean;
  /** A reason not to run on this adapter. */
  unless?: (runtime: Runtime) => string | undefined;
}

/** Defines a test for each case: every variant that can run here, and the stock twin, against the float64 reference. */
export function testCases(wanted: (opCase: OpCase) => boolean, options: CaseTestOptions = {}): void {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await initialize();
  });
  afterAll(() => shutdown(runtime));

  const cases = allCases.filter((c) => !c.bench && wanted(c));
  describe.each([...new Set(cases.map((c) => c.op))])('%s', (op) => {
    for (const opCase of cases.filter((c) => c.op === op)) {
      it(opCase.name, async ({ skip }) => {
        const reason = options.unless?.(runtime);
        if (reason) skip(reason);
        const wanted = options.variants;
        const variants = runsOf(opCase, runtime).filter(
          (variant) => !wanted || (variant !== undefined && wanted(variant, opCase.op)),
        );
        if (variants.length === 0) skip('no such variant on this adapter');
        const before = memory().numTensors;
        const expected = opCase.reference(opCase.inputs);
        const inputs = Object.fromEntries(Object.entries(opCase.inputs).map(([key, t]) => [key, toTensor(t)]));
        for (const variant of variants) {
          const tolerance = toleranceOf(opCase, variant);
          await poisonOutputs(
            runtime,
            expected.map((e) => e.length),
          );
          const outputs = runCase(runtime, opCase, inputs, variant);
          for (const [i, output] of outputs.entries()) {
            const actual = await output.data();
            runtime.throwIfFailed();
            expect(normalisedError(actual, expected[i]!), `${variant ?? 'selected'}, output ${i}`).toBeLessThanOrEqual(
              tolerance,
            );
          }
          for (const output of outputs) output.dispose();
        }
        if (!opCase.kernelsOnly && options.stock !== false) {
          const outputs = [tidy(() => opCase.stock?.(inputs) ?? opCase.build(stockOps, inputs))].flat();
          for (const [i, output] of outputs.entries()) {
            expect(normalisedError(await output.data(), expected[i]!), `stock, output ${i}`).toBeLessThanOrEqual(1e-9);
            output.dispose();
          }
        }
        for (const input of Object.values(inputs)) input.dispose();
        expect(memory().numTensors).toBe(before);
      });
    }
  });
}
