import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DeviceError, initialize, KernelError, openDevice, shutdown } from '@samtrack/kernels';
import { adapterName, describeAdapter } from './adapter.js';
import { type BenchArguments, parseArguments, USAGE, UsageError } from './arguments.js';
import { checkKernels, passes } from './check.js';
import { type BenchContext, type BenchmarkResult, OURS, WrongOutputError } from './contest.js';
import { CpuEngine } from './cpu-engine.js';
import type { Curve } from './curve.js';
import { benchReplay } from './deaot/bench.js';
import { renderHtml } from './html.js';
import { kernelJobs, modelJobs } from './jobs.js';
import { bestThroughput } from './kernels.js';
import { type MeasureOptions, WARM_MS } from './measure.js';
import type { ModelResult } from './model.js';
import { modelJob } from './models.js';
import { MODELS } from './names.js';
import { ExternalGraphs } from './onnx/external.js';
import { ExternalGraphError } from './onnx/external-error.js';
import { loadOnnxRuntime } from './onnx/session.js';
import { describeOrigin } from './origin.js';
import { PyTorch } from './pytorch.js';
import { benchRecording } from './recording.js';
import { type BenchReport, type Ceilings, describeMachine, renderReport } from './report.js';
import { type Summary, summarise } from './statistics.js';
import { formatNumber } from './table.js';
import { describeTuning, type TunedBenchmark, tuneBenchmark } from './tune.js';
import { benchInChromium, ChromiumBenchError, listChromiumJobs } from './web/bench.js';

/** In a quick run no further round of a benchmark begins after this time, */
const QUICK_BUDGET_MS = 15_000;
/** and no benchmark beyond the essential ones after this one. */
const QUICK_LIMIT_MS = 110_000;
/** A round that takes longer is shown. */
const SLOW_ROUND_MS = 5000;

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
  const exported = args.onnx === undefined ? undefined : new ExternalGraphs(fromUser(args.onnx));
  if (exported && !ort) throw new UsageError('--onnx is for ONNX Runtime: onnxruntime-node is not installed.');
  exported?.require(models.map(({ name }) => name));
  if (!ort) onNote('onnxruntime-node is not installed: no comparison with ONNX Runtime.');
  const gpuOptions = { adapter: args.adapter };
  const ortWebGpu = ort !== undefined && (!args.adapter || (await isDefaultAdapter(args.adapter)));
  if (ort && !ortWebGpu) onNote('ONNX Runtime takes the default adapter, which is another one: not compared.');
  const runtime = await initialize(gpuOptions);
  console.error(`Adapter: ${runtime.info.description || runtime.info.device} (${runtime.adapterClass.kind})`);
  const rounds = args.rounds ?? 5;
  const context: BenchContext = {
    runtime,
    cpu: await CpuEngine.open(),
    ort,
    ortProviders: ortWebGpu ? ['webgpu', 'cpu'] : ['cpu'],
    exported,
    pytorch: args.pytorch === undefined ? undefined : (name) => PyTorch.start(fromUser(args.pytorch!), name),
    without: args.without,
    options: {
      rounds,
      sampleMs: quick ? 100 : 300,
      warmMs: runtime.adapterClass.kind === 'software' ? 0 : WARM_MS,
      onRound: showRound,
      ...(quick ? { budgetMs: QUICK_BUDGET_MS } : {}),
    },
    onNote,
  };
  const kernels: BenchmarkResult[] = [];
  const modelResults: ModelResult[] = [];
  const curves: Curve[] = [];
  const tuning: TunedBenchmark[] = [];
  const replayMicroseconds: Record<string, Summary> = {};
  let ceilings: Ceilings | undefined;
  const adapter = describeAdapter(runtime);
  const report = (): BenchReport => ({
    schema: 1,
    date: new Date().toISOString(),
    ...describeOrigin(),
    quick,
    adapter,
    machine: describeMachine(),
    ratios: Object.fromEntries([...kernels, ...modelResults].map(({ name, ratios }) => [name, ratios])),
    ceilings,
    kernels,
    models: modelResults,
    ...(args.curves ? { curves } : {}),
    replayMicroseconds,
    ...(tuning.length > 0 ? { tuning } : {}),
    notes,
  });
  // Written after every benchmark, so that a run that is stopped keeps what it has.
  const file = resultsFile(args, defaultFile(adapter));
  const save = () => file && writeResults(file, report());
  const tuneFirst = async (job: Parameters<typeof tuneBenchmark>[0]) => {
    if (args.tune === undefined) return;
    console.error('tuning');
    tuning.push(await tuneBenchmark(job, context, args.tune));
    onNote(describeTuning(tuning.at(-1)!));
  };
  const start = performance.now();
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
      save();
    }
  };
  await runKernels(true);
  for (const job of models) {
    process.stderr.write(`${job.name} ... `);
    await tuneFirst(job);
    const result = await job.run(context);
    modelResults.push(result);
    console.error(`${formatNumber(result.runners[OURS]!.wall.median)} ms`);
    if (result.graph && result.graph !== 'traced') onNote(`${job.name}: ONNX Runtime's graph is from ${result.graph}.`);
    save();
  }
  await runKernels(false);
  const trackers = models.flatMap(({ name, tracker }) => (tracker ? [{ benchmark: name, ...tracker }] : []));
  for (const { name, curves: measure } of args.curves ? models : []) {
    if (!measure) continue;
    const onPoint = (axis: string, { x, wall }: { x: number; wall: Summary }) =>
      console.error(`${name}, ${axis} ${x}: ${formatNumber(wall.median)} ms`);
    curves.push(...(await measure({ rounds, videoFrames: quick ? 30 : 120, onPoint })));
    save();
  }
  ceilings = kernels.length + modelResults.length > 0 ? await bestThroughput(context, kernels) : undefined;
  // What was measured is safe before Dawn's null backend, which has little memory and can take the process along.
  save();
  shutdown(runtime);

  for (const { benchmark, name, size } of trackers) {
    // It compiles nothing and computes nothing: what is left is the CPU's work.
    const nullRuntime = await initialize({ backend: 'null' });
    try {
      replayMicroseconds[benchmark] = summarise(await benchReplay(nullRuntime, name, size, 20));
    } catch (error) {
      onNote(`${benchmark}: replay was not timed: ${(error as Error).message.split('\n')[0]}`);
    }
    shutdown(nullRuntime);
  }
  publish(report(), file);
}

/** Tells how far a benchmark is whose rounds take long. */
const showRound: MeasureOptions['onRound'] = ({ round, rounds, milliseconds }) => {
  if (milliseconds > SLOW_ROUND_MS) process.stderr.write(`${round}/${rounds} `);
};

/** Benchmarks in Chromium; their report is as that of others, with `chromium:` before the runners' names. */
async function runInChromium(args: BenchArguments): Promise<void> {
  const names = listChromiumJobs(args);
  if (args.list) {
    for (const name of names) console.log(name);
    return;
  }
  if (names.length === 0) throw new UsageError(`No benchmark is named like "${args.only}"; see --chromium --list.`);
  const notes: string[] = [];
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => controller.abort(new ChromiumBenchError(`Interrupted by ${signal}.`)));
  }
  const { version, adapter, ceilings, kernels, models } = await benchInChromium(args, {
    onNote: (message) => {
      notes.push(message);
      console.error(`  ${message}`);
    },
    onProgress: (text) => process.stderr.write(text),
    signal: controller.signal,
  });
  const origin = describeOrigin();
  const report: BenchReport = {
    schema: 1,
    date: new Date().toISOString(),
    ...origin,
    versions: { ...origin.versions, chromium: version },
    quick: args.quick,
    adapter,
    machine: describeMachine(),
    ratios: Object.fromEntries([...kernels, ...models].map(({ name, ratios }) => [name, ratios])),
    ceilings,
    kernels,
    models,
    replayMicroseconds: {},
    notes,
  };
  publish(report, resultsFile(args, defaultFile(adapter, 'chromium-')));
}

/** Shows the tables and writes what was measured, a whole run without being asked. */
function publish(report: BenchReport, file: string | undefined): void {
  console.log(`\n${renderReport(report)}`);
  if (!file) return;
  const written = writeResults(file, report);
  const page = written.replace(/(\.json)?$/, '.html');
  writeFileSync(page, renderHtml(report));
  console.error(`\nWritten to ${written} and ${page}`);
}

/** Where results go: where the user says, or the adapter's file for a whole run, or nowhere. */
const resultsFile = ({ models, only, quick, json }: BenchArguments, whole: string): string | undefined =>
  json ?? (models || only || quick ? undefined : whole);

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

/** What a dispatch of each operation costs the CPU. */
async function record({ only, json, rounds = 15 }: BenchArguments): Promise<void> {
  const results = await benchRecording(only, rounds);
  if (results.length === 0) throw new UsageError(`No operation is named like "${only}".`);
  for (const { op, microseconds, dispatches } of results) {
    console.log(
      `${op.padEnd(24)} ${formatNumber(microseconds.median).padStart(6)} us a dispatch, ${dispatches} a call`,
    );
  }
  if (json) writeResults(json, { ...describeOrigin(), machine: describeMachine(), results });
}

/** A name that the user gave, seen from where npm was called. */
const fromUser = (name: string): string => resolve(process.env['INIT_CWD'] ?? '.', name);

/** @returns The file's whole name. */
function writeResults(name: string, results: unknown): string {
  const file = fromUser(name);
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

function defaultFile(adapter: Readonly<Record<string, unknown>>, prefix = ''): string {
  const name = adapterName(adapter)
    .split(/[:(]/)[0]!
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return join(import.meta.dirname, '..', 'results', `${prefix}${name}.json`);
}

/** Whose messages say all there is to say. */
const KNOWN_ERRORS = [DeviceError, KernelError, WrongOutputError, ChromiumBenchError, ExternalGraphError];

async function main(): Promise<number> {
  // Mesa wants a runtime folder; without one it complains on every start.
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  try {
    const args = parseArguments(process.argv.slice(2));
    if (args.help) console.log(USAGE);
    else if (args.check) return (await check(args)) ? 0 : 1;
    else if (args.recording) await record(args);
    else if (args.chromium) await runInChromium(args);
    else await run(args);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
    else if (KNOWN_ERRORS.some((type) => error instanceof type)) {
      console.error(`\n${(error as Error).message}`);
    } else console.error(error);
    return error instanceof UsageError ? 2 : 1;
  }
}

// Dawn and ONNX Runtime keep the process alive.
process.exit(await main());
