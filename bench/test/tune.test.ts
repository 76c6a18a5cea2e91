import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { benchmarkCases } from '@samtrack/kernels/testing';
import { tuningOf } from '@samtrack/kernels/tuning';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseArguments, UsageError } from '../src/arguments.js';
import { type BenchContext, OURS } from '../src/contest.js';
import { benchKernel, benchmarkName } from '../src/kernels.js';
import { describeTuning, tuneBenchmark } from '../src/tune.js';

describe('--tune', () => {
  it('takes a budget', () => {
    expect(parseArguments([]).tune).toBeUndefined();
    expect(parseArguments(['--tune']).tune).toBe(60);
    expect(parseArguments(['--tune', '--budget', '2.5']).tune).toBe(2.5);
    for (const budget of ['0', '-1', 'soon']) {
      expect(() => parseArguments(['--tune', `--budget=${budget}`])).toThrow(UsageError);
    }
  });
});

describe('tuneBenchmark', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await initialize();
  });
  afterAll(() => shutdown(runtime));

  it('measures the kernels of a benchmark, which then runs as before', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const context: BenchContext = {
      runtime,
      ortProviders: [],
      options: { rounds: 1, sampleMs: 0 },
      onNote: () => {},
    };
    const kernelCase = benchmarkCases.find(({ op, bench }) => op === 'gemm' && bench.run === 'small')!;
    const name = benchmarkName(kernelCase);
    const job = { name, run: (given: BenchContext) => benchKernel(kernelCase, given) };
    const tuned = await tuneBenchmark(job, context, 30);
    vi.restoreAllMocks();
    expect(tuned.shapes.map(({ op }) => op)).toEqual(['gemm']);
    expect(tuningOf(runtime).table.size).toBe(1);
    expect(describeTuning(tuned)).toMatch(
      /^gemm@\S+: kernels tuned before in \S+ s; [01] of 1 shapes have another kernel/,
    );
    expect((await job.run(context)).runners[OURS]!.wall.median).toBeGreaterThan(0);
  });

  it('says what changed and what was left', () => {
    const shape = { op: 'gemm', shape: 'm=1', calls: 1, share: 0.5, excluded: {} };
    const result = {
      name: 'deaot-t@480x854',
      seconds: 61,
      ceilings: { flopsPerSecond: 1e12, bytesPerSecond: 1e11 },
      shapes: [
        { ...shape, selected: 'a', variant: 'b', milliseconds: { a: 3, b: 2 } },
        { ...shape, selected: 'a', variant: 'a', milliseconds: { a: 3, b: 3.5 } },
      ],
      known: 0,
      remaining: 4,
      stopped: 'budget' as const,
    };
    expect(describeTuning(result)).toMatch(
      /1 of 2 shapes have another kernel than by the rules, up to 1\.5\d*x faster\./,
    );
    expect(describeTuning(result)).toContain('4 were left when it stopped (budget).');
  });
});
