import type { BenchArguments } from './arguments.js';
import { kernelCases, smallCases } from './cases.js';
import { type BenchContext, type BenchmarkResult, benchKernel, benchOpCase, remainingCases } from './kernels.js';
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
  const usual = small === 'alone' ? [] : kernelCases.filter((kernelCase) => !quick || kernelCase.quick);
  const jobs: Job[] = [
    ...[...(small ? smallCases : []), ...usual].map((kernelCase) => ({
      name: `${kernelCase.op}@${kernelCase.size}`,
      essential: kernelCase.op === 'gemm' || kernelCase.op === 'conv2d',
      run: (context: BenchContext) => benchKernel(kernelCase, context),
    })),
    ...(quick || small === 'alone' ? [] : remainingCases(kernelCases)).map((opCase) => ({
      name: `${opCase.op}@${opCase.name}`,
      essential: false,
      run: (context: BenchContext) => benchOpCase(opCase, context),
    })),
  ];
  return jobs.filter(({ name }) => !only || name.includes(only));
}

export function modelJobs(request: JobRequest): ModelJob[] {
  return (request.models ?? (['deaot-t'] as const))
    .map((model) => modelJob(model, request))
    .filter(({ name }) => !request.only || name.includes(request.only));
}
