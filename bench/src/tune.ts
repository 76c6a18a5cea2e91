import { type TunedShapeResult, type TuneResult, tune } from '@samtrack/kernels/tuning';
import type { BenchContext } from './contest.js';
import { formatNumber } from './table.js';

/** What tuning for one benchmark found out. */
export interface TunedBenchmark extends TuneResult {
  readonly name: string;
  readonly seconds: number;
}

/** A benchmark, as far as tuning is concerned. */
interface Tunable {
  readonly name: string;
  run(context: BenchContext): Promise<unknown>;
}

/** Chooses kernels by what is measured here for every shape that a benchmark uses; they stay in use until the end of the run. */
export async function tuneBenchmark(job: Tunable, context: BenchContext, seconds: number): Promise<TunedBenchmark> {
  const once: BenchContext = { ...context, ort: undefined, options: { rounds: 1, sampleMs: 0 } };
  const start = performance.now();
  const result = await tune(context.runtime, () => job.run(once), {
    budgetMs: 1000 * seconds,
    onProgress: ({ done, total, shape }) => console.error(`  ${done}/${total} ${describeShape(shape)}`),
  });
  return { name: job.name, seconds: (performance.now() - start) / 1000, ...result };
}

const gain = ({ milliseconds, selected, variant }: TunedShapeResult): number =>
  milliseconds[selected]! / milliseconds[variant]!;

/** `gemm m=256 ...: vector-64x128 -> vector-32x32, 1.5x, 40% of ceiling`. */
function describeShape(result: TunedShapeResult): string {
  const { op, shape, selected, variant, share, excluded } = result;
  const change = variant === selected ? variant : `${selected} -> ${variant}, ${formatNumber(gain(result))}x`;
  const failures = Object.entries(excluded).map(([name, reason]) => `; ${name} excluded: ${reason}`);
  return `${op} ${shape}: ${change}, ${Math.round(100 * share)}% of ceiling${failures.join('')}`;
}

/** One line for the notes of a report. */
export function describeTuning({ name, seconds, shapes, remaining, stopped }: TunedBenchmark): string {
  const changed = shapes.filter(({ variant, selected }) => variant !== selected);
  const faster = changed.length > 0 ? `, up to ${formatNumber(Math.max(...changed.map(gain)))}x faster` : '';
  const rest = remaining > 0 ? ` ${remaining} were left when it stopped (${stopped}).` : '';
  return (
    `${name}: kernels tuned before in ${formatNumber(seconds)} s; ${changed.length} of ${shapes.length} shapes have another ` +
    `kernel than by the rules${faster}.${rest}`
  );
}
