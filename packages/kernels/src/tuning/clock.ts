import type { Runtime } from '../dispatch/runtime.js';

/** One way to compute something. */
export interface TimedKernel {
  readonly variant: string;
  /** Records it once, leaving nothing behind. */
  run(): void;
}

/**
 * Times kernels that have run before, in turns (A B C A B C ...).
 * @returns The median time of each, in milliseconds.
 */
export type Clock = (runtime: Runtime, kernels: readonly TimedKernel[], rounds: number) => Promise<number[]>;

/** Wall time that a sample takes at least where the GPU has no clock of its own. */
const SAMPLE_MS = 3;
const MAX_REPEATS = 50;

/** Times on the GPU where it has timestamps, else by the wall clock. */
export const deviceClock: Clock = async (runtime, kernels, rounds) => {
  const onGpu = runtime.device.features.has('timestamp-query') ? await gpuTimes(runtime, kernels, rounds) : undefined;
  return onGpu ?? (await wallTimes(runtime, kernels, rounds));
};

/** Nothing where a kernel also copies, since copies have no timestamps. */
async function gpuTimes(runtime: Runtime, kernels: readonly TimedKernel[], rounds: number) {
  const dispatches: number[] = [];
  const times = await runtime.profile(() => {
    for (let round = 0; round < rounds; round++) {
      for (const { run } of kernels) {
        const before = runtime.dispatchCount;
        run();
        dispatches.push(runtime.dispatchCount - before);
      }
    }
  });
  if (dispatches.reduce((a, b) => a + b, 0) !== times.length) return undefined;
  const samples: number[][] = kernels.map(() => []);
  let next = 0;
  for (const [i, count] of dispatches.entries()) {
    const sum = times.slice(next, (next += count)).reduce((ms, { milliseconds }) => ms + milliseconds, 0);
    samples[i % kernels.length]!.push(sum);
  }
  const medians = samples.map(median);
  // Clocks that tick too slowly show nothing at all.
  return medians.every((ms) => ms > 0) ? medians : undefined;
}

async function wallTimes(runtime: Runtime, kernels: readonly TimedKernel[], rounds: number): Promise<number[]> {
  const repeats: number[] = [];
  for (const { run } of kernels) {
    const once = await wallTime(runtime, run, 1);
    repeats.push(Math.min(MAX_REPEATS, Math.max(1, Math.ceil(SAMPLE_MS / once))));
  }
  const samples: number[][] = kernels.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of kernels.entries()) samples[i]!.push(await wallTime(runtime, run, repeats[i]!));
  }
  return samples.map(median);
}

/** Wall time of one of several runs, in milliseconds. */
export async function wallTime(runtime: Runtime, run: () => void, repeats: number): Promise<number> {
  await runtime.finish();
  const start = performance.now();
  for (let i = 0; i < repeats; i++) run();
  await runtime.finish();
  return (performance.now() - start) / repeats;
}

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
