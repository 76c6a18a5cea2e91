import { memory, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initialize, type Runtime, shutdown } from '../index.js';
import { normalisedError, poisonOutputs, toTensor } from '../testing/index.js';
import { allCases } from './cases.js';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await initialize();
});
afterAll(() => shutdown(runtime));

const asList = (result: Tensor | Tensor[]) => (Array.isArray(result) ? result : [result]);

for (const [op, cases] of groupByOp()) {
  describe(op, () => {
    for (const opCase of cases) {
      it(opCase.name, async () => {
        const tolerance = opCase.tolerance ?? 1e-12;
        const before = memory().numTensors;
        const expected = opCase.reference(opCase.inputs);
        const inputs = Object.fromEntries(Object.entries(opCase.inputs).map(([key, t]) => [key, toTensor(t)]));
        const variants = opCase.variants(runtime.adapterClass);
        expect(variants.length).toBeGreaterThan(0);
        // Every variant that can run here, and once whatever the selection picks.
        for (const variant of [...variants, undefined]) {
          await poisonOutputs(
            runtime,
            expected.map((e) => e.length),
          );
          const outputs = asList(opCase.run(inputs, variant));
          for (const [i, output] of outputs.entries()) {
            const actual = await output.data();
            runtime.throwIfFailed();
            expect(normalisedError(actual, expected[i]!), `${variant ?? 'selected'}, output ${i}`).toBeLessThanOrEqual(
              tolerance,
            );
          }
          for (const output of outputs) output.dispose();
        }
        if (opCase.stock) {
          const outputs = asList(tidy(() => opCase.stock!(inputs)));
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

function groupByOp() {
  const groups = new Map<string, typeof allCases>();
  for (const opCase of allCases.filter((c) => c.flops === undefined))
    groups.set(opCase.op, [...(groups.get(opCase.op) ?? []), opCase]);
  return groups;
}
