import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DeviceError, initialize, KernelError, openDevice, shutdown } from '@samtrack/kernels';
import { type BenchArguments, parseArguments, USAGE, UsageError } from './arguments.js';
import { kernelCases } from './cases.js';
import { checkKernels, passes } from './check.js';
import { benchReplay } from './deaot/bench.js';
import { type Curve, measureCurves } from './deaot/curves.js';
import { renderHtml } from './html.js';
import {
  type BenchContext,
  type BenchmarkResult,
  benchKernel,
  benchOpCase,
  measureCeilings,
  OURS,
  remainingCases,
  WrongOutputError,
} from './kernels.js';
import { type ModelJob, modelJob } from './models.js';
import { MODELS } from './names.js';
import type { NetworkResult } from './networks/bench.js';
import { loadOnnxRuntime } from './onnx/session.js';
import { describeOrigin } from './origin.js';
import { type BenchReport, describeAdapter, describeMachine, renderReport } from './report.js';
import { type Summary, summarise } from './statistics.js';
import { formatNumber } from './table.js';
import { describeTuning, type TunedBenchmark, tuneBenchmark } from './tune.js';

/** In a quick run no further round of a benchmark begins after this time, */
const QUICK_BUDGET_MS = 15_000;
/** and no benchmark beyond the essential ones after this one. */
const QUICK_LIMIT_MS = 110_000;

/** A benchmark by its name. */
interface Job {
  readonly name: string;
  /** What the targets are set for, which also a quick run on a slow machine measures. */
  readonly essential: boolean;
  run(context: BenchContext): Promise<BenchmarkResult>;
}

function kernelJobs({ quick, only, models }: BenchArguments): Job[] {
  if (models) return [];
  const jobs: Job[] = [
    ...kernelCases
      .filter((kernelCase) => !quick || kernelCase.quick)
      .map((kernelCase) => ({
        name: `${kernelCase.op}@${kernelCase.size}`,
        essential: kernelCase.op === 'gemm' || kernelCase.op === 'conv2d',
        run: (context: BenchContext) => benchKernel(kernelCase, context),
      })),
    ...(quick ? [] : remainingCases(kernelCases)).map((opCase) => ({
      name: `${opCase.op}@${opCase.name}`,
      essential: false,
      run: (context: BenchContext) => benchOpCase(opCase, context),
    })),
  ];
  return jobs.filter(({ name }) => !only || name.includes(only));
}

function modelJobs(args: BenchArguments): ModelJob[] {
  return (args.models ?? (['deaot-t'] as const))
    .map((model) => modelJob(model, args))
    .filter(({ name }) => !args.only || name.includes(args.only));
}

async function run(args: BenchArguments): Promise<void> {
  const jobs = kernelJobs(args);
  const models = modelJobs(args);
  const { quick } = args;
  if (args.list) {
    for (const { name } of jobs) console.log(name);
    for (const model of args.models ?? MODELS) console.log(modelJob(model, args).name);
    return;
  }
  if (jobs.length + models.length === 0) throw new UsageError(`No benchmark is named like "${args.only}"; see --list.`);

  const notes: string[] = [];
  const onNote = (message: string) => {
    notes.push(message);
    console.error(`  ${message}`);
  };
  const ort = await loadOnnxRuntime();
  if (!ort) onNote('onnxruntime-node is not installed: no comparison with ONNX Runtime.');
  const gpuOptions = { adapter: args.adapter };
  const ortWebGpu = ort !== undefined && (!args.adapter || (await isDefaultAdapter(args.adapter)));
  if (ort && !ortWebGpu) onNote('ONNX Runtime takes the default adapter, which is another one: not compared.');
  const runtime = await initialize(gpuOptions);
  console.error(`Adapter: ${runtime.info.description || runtime.info.device} (${runtime.adapterClass.kind})`);
  const rounds = args.rounds ?? 5;
  const context: BenchContext = {
    runtime,
    ort,
    ortProviders: ortWebGpu ? ['webgpu', 'cpu'] : ['cpu'],
    options: { rounds, sampleMs: quick ? 100 : 300, ...(quick ? { budgetMs: QUICK_BUDGET_MS } : {}) },
    onNote,
  };
  const tuning: TunedBenchmark[] = [];
  const tuneFirst = async (job: Parameters<typeof tuneBenchmark>[0]) => {
    if (args.tune === undefined) return;
    console.error('tuning');
    tuning.push(await tuneBenchmark(job, context, args.tune));
    onNote(describeTuning(tuning.at(-1)!));
  };
  const start = performance.now();
  const kernels: BenchmarkResult[] = [];
  const runKernels = async (essential: boolean) => {
    for (const job of jobs.filter((j) => j.essential === essential)) {
      if (quick && !essential && performance.now() - start > QUICK_LIMIT_MS) {
        onNote(`${job.name}: left out, this machine is too slow for it in a quick run.`);
        continue;
      }
      process.stderr.write(`${job.name} ... `);
      await tuneFirst(job);
      const result = await job.run(context);
      kernels.push(result);
      console.error(`${formatNumber(result.runners[OURS]!.wall.median)} ms`);
    }
  };
  await runKernels(true);
  const modelResults: NetworkResult[] = [];
  for (const job of models) {
    process.stderr.write(`${job.name} ... `);
    await tuneFirst(job);
    const result = await job.run(context);
    modelResults.push(result);
    console.error(`${formatNumber(result.runners[OURS]!.wall.median)} ms`);
  }
  await runKernels(false);
  const trackers = models.flatMap(({ name, tracker }) => (tracker ? [{ benchmark: name, ...tracker }] : []));
  const curves: Curve[] = [];
  for (const { name, size } of args.curves ? trackers : []) {
    const onPoint = (axis: string, { x, wall }: { x: number; wall: Summary }) =>
      console.error(`${name}, ${axis} ${x}: ${formatNumber(wall.median)} ms`);
    curves.push(...(await measureCurves(name, { size, rounds, videoFrames: quick ? 30 : 120, onPoint })));
  }
  const ceilings = kernels.length + modelResults.length > 0 ? await measureCeilings(context, kernels) : undefined;
  const adapter = describeAdapter(runtime);
  shutdown(runtime);

  const replayMicroseconds: Record<string, Summary> = {};
  for (const { benchmark, name, size } of trackers) {
    // Dawn's null backend compiles nothing and computes nothing: what is left is the CPU's work.
    const nullRuntime = await initialize({ backend: 'null' });
    try {
      replayMicroseconds[benchmark] = summarise(await benchReplay(nullRuntime, name, size, 20));
    } catch (error) {
      // It has little memory, too.
      onNote(`${benchmark}: replay was not timed: ${(error as Error).message.split('\n')[0]}`);
    }
    shutdown(nullRuntime);
  }

  const results = [...kernels, ...modelResults];
  const report: BenchReport = {
    schema: 1,
    date: new Date().toISOString(),
    ...describeOrigin(),
    quick,
    adapter,
    machine: describeMachine(),
    ratios: Object.fromEntries(results.map(({ name, ratios }) => [name, ratios])),
    ceilings,
    kernels,
    models: modelResults,
    ...(args.curves ? { curves } : {}),
    replayMicroseconds,
    ...(tuning.length > 0 ? { tuning } : {}),
    notes,
  };
  console.log(`\n${renderReport(report)}`);
  const whole = !args.models && !args.only && !quick;
  const name = args.json ?? (whole ? defaultFile(adapter) : undefined);
  if (name) {
    const file = writeResults(name, report);
    const page = file.replace(/(\.json)?$/, '.html');
    writeFileSync(page, renderHtml(report));
    console.error(`\nWritten to ${file} and ${page}`);
  }
}

/** @returns Whether every kernel is right. */
async function check({ adapter, only, json }: BenchArguments): Promise<boolean> {
  const runtime = await initialize({ adapter });
  console.error(`Adapter: ${runtime.info.description || runtime.info.device} (${runtime.adapterClass.kind})`);
  const results = await checkKernels(runtime, only, (result) => {
    if (passes(result)) return;
    const { op, name, variant, error, tolerance, failure } = result;
    console.error(`${op}, ${name}, ${variant}: ${failure ?? `${error!.toExponential(2)} instead of ${tolerance}`}`);
  });
  if (results.length === 0) throw new UsageError(`No operation is named like "${only}".`);
  const failed = results.filter((result) => !passes(result));
  console.log(`${results.length - failed.length} of ${results.length} runs of kernels agree with their references.`);
  if (json) writeResults(json, { adapter: describeAdapter(runtime), ...describeOrigin(), results });
  shutdown(runtime);
  return failed.length === 0;
}

/** @returns The file's whole name. */
function writeResults(name: string, results: unknown): string {
  const file = resolve(process.env['INIT_CWD'] ?? '.', name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  return file;
}

/** Whether the adapter of that name is the one that a program takes that asks for none by name. */
async function isDefaultAdapter(adapter: string): Promise<boolean> {
  const names: string[] = [];
  for (const options of [{ adapter }, {}]) {
    const { device, info } = await openDevice(options);
    names.push(`${info.vendor} ${info.device} ${info.description}`);
    device.destroy();
  }
  return names[0] === names[1];
}

function defaultFile({ description, device }: Record<string, unknown>): string {
  const name = String(description || device || 'adapter')
    .split(/[:(]/)[0]!
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return join(import.meta.dirname, '..', 'results', `${name}.json`);
}

async function main(): Promise<number> {
  // Mesa wants a runtime folder; without one it complains on every start.
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  try {
    const args = parseArguments(process.argv.slice(2));
    if (args.help) console.log(USAGE);
    else if (args.check) return (await check(args)) ? 0 : 1;
    else await run(args);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
    else if (error instanceof DeviceError || error instanceof KernelError || error instanceof WrongOutputError) {
      console.error(`\n${error.message}`);
    } else console.error(error);
    return error instanceof UsageError ? 2 : 1;
  }
}

// Dawn and ONNX Runtime keep the process alive.
process.exit(await main());
