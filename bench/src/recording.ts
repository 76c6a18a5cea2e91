import { initialize, shutdown } from '@samtrack/kernels';
import { allCases, type OpCase, runCase, toTensor } from '@samtrack/kernels/testing';
import { dispose, tidy } from '@tensorflow/tfjs-core';
import { type Summary, summarise } from './statistics.js';

/** What an operation costs the CPU. */
export interface RecordedOp {
  readonly op: string;
  /** Of one dispatch, in microseconds. */
  readonly microseconds: Summary;
  readonly dispatches: number;
}

/** Calls before anything is timed, which fill caches and let the code be compiled. */
const WARM_CALLS = 400;
/** Calls a sample; the commands that they record are few, since the null backend has little memory. */
const CALLS = 200;

/** The smallest case of each operation that launches something: what it computes does not matter. */
function smallestCases(only: string | undefined): OpCase[] {
  const size = ({ inputs }: OpCase) => Object.values(inputs).reduce((sum, { values }) => sum + values.length, 0);
  const smallest = new Map<string, OpCase>();
  for (const opCase of allCases) {
    const known = smallest.get(opCase.op);
    if (opCase.op.includes(only ?? '') && size(opCase) > 0 && (!known || size(opCase) < size(known))) {
      smallest.set(opCase.op, opCase);
    }
  }
  return [...smallest.values()];
}

/**
 * Times the recording of every operation on Dawn's null backend, which compiles and computes nothing: what is left is our work on
 * the CPU, and Dawn's. Rounds go over all operations in turns.
 */
export async function benchRecording(only: string | undefined, rounds: number): Promise<RecordedOp[]> {
  const runtime = await initialize({ backend: 'null' });
  const cases = smallestCases(only).map((opCase) => {
    const inputs = Object.fromEntries(Object.entries(opCase.inputs).map(([key, t]) => [key, toTensor(t)]));
    const call = () => dispose(tidy(() => runCase(runtime, opCase, inputs)));
    return { op: opCase.op, inputs, call, dispatches: 0, samples: [] as number[] };
  });
  for (const recorded of cases) {
    recorded.call();
    const before = runtime.dispatchCount;
    recorded.call();
    recorded.dispatches = runtime.dispatchCount - before;
    for (let i = 0; i < WARM_CALLS; i++) recorded.call();
    await runtime.finish();
  }
  const timed = cases.filter(({ dispatches }) => dispatches > 0);
  for (let round = 0; round < rounds; round++) {
    for (const { call, dispatches, samples } of timed) {
      const start = performance.now();
      for (let i = 0; i < CALLS; i++) call();
      samples.push(((performance.now() - start) * 1000) / CALLS / dispatches);
      await runtime.finish();
    }
  }
  for (const { inputs } of cases) dispose(inputs);
  shutdown(runtime);
  return timed.map(({ op, dispatches, samples }) => ({ op, dispatches, microseconds: summarise(samples) }));
}
