// What the page in Chromium runs: the benchmarks that Node runs, on the browser's adapter and with ONNX Runtime for browsers.
import { initialize, type Runtime } from '@samtrack/kernels';
import { describeAdapter } from '../adapter.js';
import type { BenchmarkResult } from '../contest.js';
import { kernelJobs, modelJobs } from '../jobs.js';
import { bestThroughput } from '../kernels.js';
import { OnnxRuntimeWeb } from './onnx.js';
import { type Opened, type OpenRequest, type RunAnswer, type RunRequest, replyWith } from './protocol.js';

let runtime: Runtime;
let ort: OnnxRuntimeWeb | undefined;
const kernels: BenchmarkResult[] = [];

async function open(request: OpenRequest): Promise<Opened> {
  runtime = await initialize();
  const threads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  if (request.ort) ort = new OnnxRuntimeWeb(request.ort, threads);
  return { adapter: describeAdapter(runtime), kind: runtime.adapterClass.kind, threads };
}

async function run({ name, jobs, options }: RunRequest): Promise<RunAnswer> {
  const job = [...kernelJobs(jobs), ...modelJobs(jobs)].find((one) => one.name === name);
  if (!job) throw new RangeError(`The page has no benchmark "${name}".`);
  const notes: string[] = [];
  const result = await job.run({
    runtime,
    ort,
    ortProviders: ['webgpu', 'wasm'],
    withoutTwin: runtime.adapterClass.kind === 'software' && !jobs.twin,
    options,
    onNote: (message) => notes.push(message),
  });
  runtime.throwIfFailed();
  if (!('fps' in result)) kernels.push(result);
  return { result, notes };
}

function ceilings(): ReturnType<typeof bestThroughput> {
  return bestThroughput({ runtime }, kernels, runtime.adapterClass.kind === 'software' ? 512 : undefined);
}

Object.assign(globalThis, {
  openBench: (request: OpenRequest) => replyWith(() => open(request)),
  runBench: (request: RunRequest) => replyWith(() => run(request)),
  bestThroughput: () => replyWith(ceilings),
});
