// What the browser test runs in the page: cases of several operations against their float64 references.
import { memory } from '@tensorflow/tfjs-core';
import { initialize, type Runtime } from '../../src/index.js';
import { allCases } from '../../src/ops/cases.js';
import { normalisedError, runCase, runsOf, toTensor } from '../../src/testing/index.js';

/** Outcome of one case: its error for each variant. */
export interface PageResult {
  adapter: string;
  cases: { name: string; errors: Record<string, number>; tolerance: number }[];
  leakedTensors: number;
}

/** One small case of each of these; the rest would take a browser's software adapter minutes to compile. */
const OPERATIONS = [
  'gemm',
  'conv2d',
  'attention',
  'local-attention',
  'softmax',
  'layer-norm',
  'id-embedding',
  'label-decode',
];

async function runCases(runtime: Runtime): Promise<PageResult> {
  const before = memory().numTensors;
  const cases: PageResult['cases'] = [];
  for (const op of OPERATIONS) {
    const found = allCases.filter((c) => c.op === op && !c.bench)[1]!;
    const expected = found.reference(found.inputs);
    const inputs = Object.fromEntries(Object.entries(found.inputs).map(([key, t]) => [key, toTensor(t)]));
    const errors: Record<string, number> = {};
    for (const variant of runsOf(found, runtime)) {
      for (const [i, output] of runCase(runtime, found, inputs, variant).entries()) {
        const name = variant ?? 'selected';
        errors[name] = Math.max(errors[name] ?? 0, normalisedError(await output.data(), expected[i]!));
        output.dispose();
      }
    }
    runtime.throwIfFailed();
    for (const input of Object.values(inputs)) input.dispose();
    cases.push({ name: `${op}: ${found.name}`, errors, tolerance: found.tolerance ?? 1e-12 });
  }
  const { vendor, architecture, description } = runtime.info;
  return {
    adapter: `${vendor} ${architecture} ${description}`.trim(),
    cases,
    leakedTensors: memory().numTensors - before,
  };
}

Object.assign(globalThis, { runCases: async () => runCases(await initialize()) });
