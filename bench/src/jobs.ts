import { benchmarkCases } from '@samtrack/kernels/testing';
import type { BenchArguments } from './arguments.js';
import type { BenchContext, BenchmarkResult } from './contest.js';
import { benchKernel, benchmarkName, type KernelCase } from './kernels.js';
import { type ModelJob, modelJob } from './models.js';

/** A benchmark by its name. */
export interface Job {
  readonly name: string;
  /** What the targets are set for, which also a quick run on a slow machine measures. */
  readonly essential: boolean;
  run(context: BenchContext): Promise<BenchmarkResult>;
}

/** Which benchmarks. */
export interface JobRequest extends Pick<BenchArguments, 'quick' | 'only' | 'models' | 'size' | 'twin'> {
  /** Whether the sizes for slow adapters take part: not at all by default, beside the others, or alone. */
  readonly small?: 'too' | 'alone';
}

export function kernelJobs({ quick, only, models, small }: JobRequest): Job[] {
  if (models) return [];
  const takesPart = ({ bench: { run } }: KernelCase): boolean =>
    run === 'small' ? small !== undefined : small !== 'alone' && (!quick || run === 'quick');
  const jobs = benchmarkCases.filter(takesPart).map((kernelCase) => ({
    name: benchmarkName(kernelCase),
    essential: kernelCase.op === 'gemm' || kernelCase.op === 'conv2d',
    run: (context: BenchContext) => benchKernel(kernelCase, context),
  }));
  return jobs.filter(({ name }) => !only || name.includes(only));
}

export function modelJobs(request: JobRequest): ModelJob[] {
  return (request.models ?? (['deaot-t'] as const))
    .map((model) => modelJob(model, request))
    .filter(({ name }) => !request.only || name.includes(request.only));
}
