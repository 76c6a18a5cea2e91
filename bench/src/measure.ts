import { type Summary, summarise } from './statistics.js';

/** One way to compute what a benchmark measures. */
export interface Runner {
  readonly name: string;
  /** Runs `count` times and resolves when all of it is computed. */
  run(count: number): Promise<void>;
}

/** Times of one runner. */
export interface Measurement {
  /** Wall time of a run, in milliseconds. */
  readonly wall: Summary;
  /** CPU time of a run on all threads of the process, in milliseconds; missing in a browser, which does not tell it. */
  readonly cpu?: Summary;
  /** Runs in each sample. */
  readonly count: number;
}

export interface MeasureOptions {
  /** Samples of each runner. */
  rounds: number;
  /** Wall time that a sample should take at least, in milliseconds; a slow runner's sample is a single run. */
  sampleMs: number;
  /**
   * Each sample begins with untimed runs of so many milliseconds, since the clock of a GPU follows its load: it is slow at
   * first after another runner that kept the CPU busy. A runner whose single run takes longer needs none.
   */
  warmMs?: number;
  onRound?: (progress: { round: number; rounds: number; milliseconds: number }) => void;
  /** No further round begins after so many milliseconds, except for the second. */
  budgetMs?: number;
}

/** How long a GPU is kept busy before each sample; a software adapter has no clock of its own. */
export const WARM_MS = 300;

/** Most runs in a sample. */
const MAX_COUNT = 200;

/**
 * Measures runners in turn, A B C A B C ..., so that whatever else happens on the machine happens to all of them. Every
 * runner must have run before: shaders are compiled, caches are filled.
 */
export async function measure(
  runners: readonly Runner[],
  { rounds, sampleMs, warmMs = 0, budgetMs = Number.POSITIVE_INFINITY, onRound }: MeasureOptions,
): Promise<Map<string, Measurement>> {
  const start = performance.now();
  const states = [];
  for (const runner of runners) {
    let first = await timed(() => runner.run(1));
    const warms = first.wall < warmMs;
    if (warms) {
      await warmUp(runner, warmMs);
      first = await timed(() => runner.run(1));
    }
    const count = Math.max(1, Math.min(MAX_COUNT, Math.round(sampleMs / first.wall)));
    // What takes longer than a sample is one.
    const samples = count === 1 && first.wall >= sampleMs ? [first] : [];
    states.push({ runner, count, samples, warms });
  }
  for (let round = 1; round <= rounds; round++) {
    if (round > 2 && performance.now() - start > budgetMs) break;
    const begin = performance.now();
    for (const { runner, count, samples, warms } of states) {
      if (samples.length >= round) continue;
      if (warms) await warmUp(runner, warmMs);
      const { wall, cpu } = await timed(() => runner.run(count));
      samples.push({ wall: wall / count, cpu: cpu / count });
    }
    onRound?.({ round, rounds, milliseconds: performance.now() - begin });
  }
  return new Map(
    states.map(({ runner, count, samples }) => [
      runner.name,
      {
        wall: summarise(samples.map(({ wall }) => wall)),
        ...(hasCpuTime ? { cpu: summarise(samples.map(({ cpu }) => cpu)) } : {}),
        count,
      },
    ]),
  );
}

/** Runs for so many milliseconds. */
export async function warmUp({ run }: Pick<Runner, 'run'>, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) await run(1);
}

/** Clocks what happens once: the wall times of runners' first results, in milliseconds. */
export class FirstTimes {
  readonly byRunner: Record<string, number> = {};

  async of<T>(runner: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const value = await work();
    this.byRunner[runner] = performance.now() - start;
    return value;
  }
}

const hasCpuTime = typeof process !== 'undefined' && 'cpuUsage' in process;
const cpuMilliseconds = (): number => {
  if (!hasCpuTime) return 0;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Wall and CPU time of some work, in milliseconds. */
async function timed(work: () => Promise<unknown> | unknown): Promise<{ wall: number; cpu: number }> {
  const cpuBefore = cpuMilliseconds();
  const start = performance.now();
  await work();
  const wall = performance.now() - start;
  return { wall, cpu: cpuMilliseconds() - cpuBefore };
}
