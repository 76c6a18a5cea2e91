import { cpus, loadavg, release, totalmem } from 'node:os';
import type { BenchmarkResult } from './contest.js';
import type { Curve } from './curve.js';
import type { ModelResult } from './model.js';
import type { Origin } from './origin.js';
import { shownRunners } from './shown-runners.js';
import type { Summary } from './statistics.js';
import { formatNumber, renderTable } from './table.js';
import type { TunedBenchmark } from './tune.js';

/** Best throughput seen on the adapter. */
export interface Ceilings {
  readonly gemmGflops: number;
  /** On matrix units, with operands rounded to float16; missing where the adapter has none. */
  readonly gemmFloat16Gflops?: number;
  readonly copyGBps: number;
}

/** Everything that a run found out; written as JSON. */
export interface BenchReport extends Origin {
  readonly schema: 1;
  readonly date: string;
  readonly quick: boolean;
  readonly adapter: Readonly<Record<string, unknown>>;
  readonly machine: Readonly<Record<string, unknown>>;
  /** `name@size` to `{ runner: median of theirs / median of ours }`, of wall time. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly ceilings: Ceilings | undefined;
  readonly kernels: readonly BenchmarkResult[];
  readonly models: readonly ModelResult[];
  /** How the cost of a frame grows; missing where it was not asked for. */
  readonly curves?: readonly Curve[];
  /** CPU microseconds of a replayed dispatch, on Dawn's null backend, by `name@size`. */
  readonly replayMicroseconds: Readonly<Record<string, Summary>>;
  /** Kernels chosen by measurement before anything was timed; missing where all were chosen by the rules. */
  readonly tuning?: readonly TunedBenchmark[];
  readonly notes: readonly string[];
}

export function describeMachine(): Record<string, unknown> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim(),
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${process.platform} ${release()} ${process.arch}`,
    /** Of the last minute when the run ended; far above the cores, others disturbed the times. */
    load: loadavg()[0],
  };
}

/** The tables that the terminal shows. */
export function renderReport(report: BenchReport): string {
  const parts: string[] = [];
  const shown = shownRunners([...report.kernels, ...report.models]);
  const compared = ({ runners, ratios }: BenchmarkResult) =>
    shown.others.flatMap(({ name }) => [
      runners[name] ? formatNumber(runners[name].wall.median) : undefined,
      ratios[name] ? `${formatNumber(ratios[name])}x` : undefined,
    ]);
  const right = (title: string) => ({ title, align: 'right' as const });
  const others = shown.others.flatMap(({ title }) => [right(`${title} ms`), right('ratio')]);
  if (report.kernels.length > 0) {
    parts.push(
      renderTable(
        [
          { title: 'kernel' },
          right('ours ms'),
          right('spread'),
          right('GFLOP/s'),
          right('GB/s'),
          right('of ceiling'),
          ...others,
        ],
        report.kernels.map((result) => {
          const { wall } = result.runners[shown.ours]!;
          const gflops = result.flops ? result.flops / wall.median / 1e6 : undefined;
          return [
            result.name,
            formatNumber(wall.median),
            `${Math.round(wall.spread * 100)}%`,
            gflops ? formatNumber(gflops) : undefined,
            result.bytes ? formatNumber(result.bytes / wall.median / 1e6) : undefined,
            gflops && report.ceilings ? `${Math.round((100 * gflops) / report.ceilings.gemmGflops)}%` : undefined,
            ...compared(result),
          ];
        }),
      ),
    );
  }
  if (report.models.length > 0) {
    parts.push(
      renderTable(
        [
          { title: 'model' },
          right('ours ms'),
          right('p95'),
          right('fps'),
          right('GFLOP/s'),
          right('of ceiling'),
          right('first ms'),
          right('GPU MB'),
          right('dispatches'),
          right('µs/dispatch'),
          ...others,
        ],
        report.models.map((result) => {
          const { wall } = result.runners[shown.ours]!;
          const replay = report.replayMicroseconds[result.name];
          const gflops = result.flops ? result.flops / wall.median / 1e6 : undefined;
          return [
            result.name,
            formatNumber(wall.median),
            formatNumber(wall.p95),
            formatNumber(result.fps),
            gflops ? formatNumber(gflops) : undefined,
            gflops && report.ceilings ? `${Math.round((100 * gflops) / report.ceilings.gemmGflops)}%` : undefined,
            formatNumber(result.firstResultMs),
            formatNumber(result.peakGpuBytes / 1e6),
            String(result.dispatches),
            replay ? formatNumber(replay.median) : undefined,
            ...compared(result),
          ];
        }),
      ),
    );
  }
  for (const { name, parts: timed = [] } of report.models) {
    if (timed.length === 0) continue;
    parts.push(
      renderTable(
        [{ title: `${name}, GPU time` }, right('ms'), right('GFLOP/s'), right('of ceiling')],
        timed.map(({ name: part, milliseconds, flops }) => {
          const gflops = flops ? flops / milliseconds / 1e6 : undefined;
          return [
            part,
            formatNumber(milliseconds),
            gflops ? formatNumber(gflops) : undefined,
            gflops && report.ceilings ? `${Math.round((100 * gflops) / report.ceilings.gemmGflops)}%` : undefined,
          ];
        }),
      ),
    );
  }
  for (const { model, unit, points } of report.curves ?? []) {
    const first = points[0]!.wall.median;
    parts.push(
      renderTable(
        [{ title: `${model}, ${unit}` }, right('ms'), right('spread'), right('of the first')],
        points.map(({ x, wall }) => [
          String(x),
          formatNumber(wall.median),
          `${Math.round(wall.spread * 100)}%`,
          `${formatNumber(wall.median / first)}x`,
        ]),
      ),
    );
  }
  if (report.ceilings) {
    const { gemmGflops, gemmFloat16Gflops, copyGBps } = report.ceilings;
    const float16 = gemmFloat16Gflops ? `${formatNumber(gemmFloat16Gflops)} in that of float16, ` : '';
    parts.push(
      `Ceilings of this adapter: ${formatNumber(gemmGflops)} GFLOP/s in our GEMM, ${float16}${formatNumber(copyGBps)} GB/s in copies.`,
    );
  }
  for (const note of report.notes) parts.push(`Note: ${note}`);
  return parts.join('\n\n');
}
