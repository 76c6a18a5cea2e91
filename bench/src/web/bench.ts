import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Page } from '@samtrack/chromium';
import { adapterName } from '../adapter.js';
import type { BenchArguments } from '../arguments.js';
import { type BenchmarkResult, OURS, WrongOutputError } from '../contest.js';
import { type JobRequest, kernelJobs, modelJobs } from '../jobs.js';
import { type MeasureOptions, WARM_MS } from '../measure.js';
import type { ModelResult } from '../model.js';
import type { Ceilings } from '../report.js';
import { formatNumber } from '../table.js';
import { type Opened, type OpenRequest, type Reply, type RunAnswer, type RunRequest, unwrap } from './protocol.js';
import { inChromium } from './results.js';

/** Nothing can be measured in Chromium here. */
export class ChromiumBenchError extends Error {
  override readonly name = 'ChromiumBenchError';
}

/** Time for the page to find WebGPU and open it, */
const OPEN_MS = 120_000;
/** and for one benchmark. */
const BENCHMARK_MS = 15 * 60_000;
/** On a software adapter no further round of a benchmark begins after this time, unless the rounds were asked for. */
const SOFTWARE_BUDGET_MS = 15_000;

/** What the user asked for, as far as it concerns the page. */
export type ChromiumBenchArguments = Pick<
  BenchArguments,
  'quick' | 'only' | 'models' | 'size' | 'twin' | 'rounds' | 'adapter' | 'chromiumPath'
>;

export interface ChromiumBenchOptions {
  readonly onNote: (message: string) => void;
  /** Told what begins, and what came of it. */
  readonly onProgress?: (text: string) => void;
  /** Ends the run and Chromium. */
  readonly signal?: AbortSignal;
}

/** What was measured, as the report wants it. */
export interface ChromiumResults {
  /** Of Chromium. */
  readonly version: string;
  readonly adapter: Readonly<Record<string, unknown>>;
  readonly ceilings: Ceilings;
  readonly kernels: readonly BenchmarkResult[];
  readonly models: readonly ModelResult[];
}

/** Names of the benchmarks that a run in Chromium has to choose from, on any adapter. */
export function listChromiumJobs(args: ChromiumBenchArguments): string[] {
  return namesOf({ ...args, small: 'too' });
}

/**
 * Runs benchmarks in a page in Chromium: our kernels and models, the same from stock TensorFlow.js operations, and ONNX
 * Runtime for browsers on WebGPU and in WebAssembly, in turns. Without a GPU the adapter is Chromium's own, which is slow:
 * then kernels are small, unless they are asked for by name, and so are frames.
 * @throws ChromiumBenchError where there is no Chromium or no WebGPU in it, or a benchmark takes too long
 * @throws WrongOutputError
 */
export async function benchInChromium(
  args: ChromiumBenchArguments,
  { onNote, onProgress, signal }: ChromiumBenchOptions,
): Promise<ChromiumResults> {
  const chromium = await loadChromium();
  const script = pageScript();
  const ort = onnxRuntimeFolder();
  if (!ort) onNote('onnxruntime-web is not installed: no comparison with ONNX Runtime in Chromium.');
  let page: Page | undefined;
  try {
    let opened: Opened | undefined;
    for (const adapter of adaptersToTry(args.adapter)) {
      try {
        page = await chromium.openPage({
          script,
          external: ['onnxruntime-node'],
          files: ort ? { '/onnxruntime/': ort } : {},
          adapter,
          executablePath: args.chromiumPath,
          signal,
        });
        const request: OpenRequest = ort ? { ort: `${page.origin}/onnxruntime/` } : {};
        opened = unwrap(await page.call<Reply<Opened>>('openBench', request, OPEN_MS));
        break;
      } catch (error) {
        const last = adapter === 'software' || args.adapter !== undefined;
        const missing = error instanceof chromium.ChromiumError && error.code === 'not-found';
        if (last || missing || signal?.aborted) throw error;
        onNote(`Chromium has no WebGPU on a GPU here (${(error as Error).message}): its software adapter is measured.`);
        await page?.close();
      }
    }
    const measured = await runAll(page!, opened!, args, { onNote, onProgress, signal });
    for (const problem of page!.problems) onNote(`In the page: ${problem}`);
    return { version: page!.version, adapter: opened!.adapter, ...measured };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof WrongOutputError || error instanceof ChromiumBenchError) throw error;
    const { name, message } = error as Error;
    const without = name === 'DeviceError' ? 'Neither samtrack nor onnxruntime-webgpu can run in Chromium here: ' : '';
    throw new ChromiumBenchError(`${without}${message}`, { cause: error });
  } finally {
    await page?.close();
  }
}

async function runAll(
  page: Page,
  { adapter, kind, threads }: Opened,
  args: ChromiumBenchArguments,
  { onNote, onProgress }: ChromiumBenchOptions,
): Promise<Omit<ChromiumResults, 'version' | 'adapter'>> {
  onProgress?.(`Chromium ${page.version}: ${adapterName(adapter)} (${kind}), ${threads} threads of WebAssembly\n`);
  const software = kind === 'software';
  const jobs: JobRequest = {
    ...{ only: args.only, models: args.models, size: args.size, twin: args.twin },
    quick: args.quick || (software && !args.only),
    small: software ? (args.only ? 'too' : 'alone') : args.only ? 'too' : undefined,
  };
  const options: MeasureOptions = {
    rounds: args.rounds ?? 5,
    sampleMs: args.quick || software ? 100 : 300,
    warmMs: software ? 0 : WARM_MS,
    ...(software && args.rounds === undefined ? { budgetMs: SOFTWARE_BUDGET_MS } : {}),
  };
  const kernels: BenchmarkResult[] = [];
  const models: ModelResult[] = [];
  for (const name of namesOf(jobs)) {
    onProgress?.(`${name} ... `);
    const request: RunRequest = { name, jobs, options };
    const reply = await page.call<Reply<RunAnswer>>('runBench', request, BENCHMARK_MS);
    const { result, notes } = unwrap(reply, WrongOutputError);
    onProgress?.(`${formatNumber(result.runners[OURS]!.wall.median)} ms\n`);
    for (const note of notes) onNote(`In Chromium, ${note}`);
    if ('fps' in result) models.push(inChromium(result));
    else kernels.push(inChromium(result));
  }
  const ceilings = unwrap(await page.call<Reply<Ceilings>>('bestThroughput', undefined, BENCHMARK_MS));
  return { ceilings, kernels, models };
}

const namesOf = (request: JobRequest) => [...kernelJobs(request), ...modelJobs(request)].map(({ name }) => name);

const adaptersToTry = (asked: string | undefined): readonly ('gpu' | 'software')[] =>
  asked ? [asked as 'gpu' | 'software'] : ['gpu', 'software'];

/** What starts Chromium; missing where the benchmarks are packed without it. */
async function loadChromium(): Promise<typeof import('@samtrack/chromium')> {
  try {
    return await import('@samtrack/chromium');
  } catch (cause) {
    throw new ChromiumBenchError(`What starts Chromium is not installed: ${(cause as Error).message}`, { cause });
  }
}

/** The page's script: its source, which is bundled when it is served. */
function pageScript(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const script = join(folder, 'src', 'web', 'page.ts');
    if (existsSync(script)) return script;
  }
  throw new ChromiumBenchError(
    'The sources of the page (src/web/page.ts) are not here; packed benchmarks run in Node only.',
  );
}

function onnxRuntimeFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
  } catch {
    return undefined;
  }
}
