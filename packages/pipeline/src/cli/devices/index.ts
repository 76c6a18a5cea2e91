/** `samtrack devices`: the engines, which of them is taken, what the GPU offers, and which kernels it gets. */
import {
  type AdapterClass,
  DeviceError,
  gemm,
  getRuntime,
  localGatedAttention,
  type Runtime,
  softmaxRows,
} from '@samtrack/kernels';
import { tuningOf } from '@samtrack/kernels/tuning';
import { OnnxEngineError } from '@samtrack/onnx';
import { type EngineOptions, openEngine } from '../../engine/index.js';
import { type Arguments, defineCommand } from '../command.js';
import { engineSettings } from '../common/engine-options.js';
import { type EngineReport, measureSpeed } from './measure.js';

const HELP = `Usage: samtrack devices [options]

Shows the engines that networks can run on, WebGPU and the CPU, and which one samtrack takes by itself; of the GPU its
features and limits, which variant of each kernel it gets, and for how many shapes \`samtrack tune\` has measured which
one is the fastest.

  --measure        how fast each engine is, by large matrix products
  --threads N      threads of the CPU engine; default one for each core
  --adapter NAME   part of the name of the GPU to look at
  --json           print JSON
  -h, --help       print this
`;

const OPTIONS = {
  measure: { type: 'boolean' },
  threads: { type: 'string' },
  adapter: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const devicesCommand = defineCommand({
  name: 'devices',
  summary: 'show the engines, the GPU and the kernels it gets',
  help: HELP,
  options: OPTIONS,
  run,
});

/** The variants selected for shapes that the models use. */
function selectedVariants(adapter: AdapterClass): Record<string, string> {
  const product = (m: number, n: number, k: number) =>
    gemm.select({ batch: 1, m, n, k, aligned: true, half: false }, adapter);
  const window = { height: 31, width: 54, window: 15, depth: 128, channels: 1024 };
  return {
    'gemm 1674x512x256': product(1674, 512, 256),
    'gemm 1674x1674x128': product(1674, 1674, 128),
    'conv2d 121x213, 128 to 128': product(121 * 213, 128, 128),
    'local attention': localGatedAttention.select(window, adapter),
    softmax: softmaxRows.select({ rows: 1674, columns: 1676 }, adapter),
  };
}

async function run({ options }: Arguments<typeof OPTIONS>): Promise<number> {
  const { gpu, cpu } = engineSettings({ adapter: options.adapter, threads: options.threads });
  const engines: Record<'webgpu' | 'cpu', EngineReport> = { webgpu: {}, cpu: {} };
  let adapter: Record<string, unknown> = {};
  for (const kind of ['webgpu', 'cpu'] as const) {
    try {
      const { engine, close } = await openEngine({ engine: kind, gpu, cpu });
      try {
        engines[kind].device = engine.device;
        if ('threads' in engine) engines[kind].threads = engine.threads as number;
        if (options.measure) engines[kind].gflops = await measureSpeed(engine);
        if (kind === 'webgpu') adapter = describeAdapter(getRuntime());
      } finally {
        close();
      }
    } catch (error) {
      // Whoever names a GPU wants that one.
      if (!isMissing(error) || (kind === 'webgpu' && options.adapter !== undefined)) throw error;
      engines[kind].missing = error.message;
    }
  }
  const auto = await automaticChoice({ gpu, cpu });
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ engines, auto, ...adapter }, null, 2)}\n`);
    return 0;
  }
  section('engines', {
    webgpu: describeEngine(engines.webgpu),
    cpu: describeEngine(engines.cpu),
    auto,
  });
  const { features, ...tables } = adapter as { features?: string[] } & Record<string, Record<string, unknown>>;
  for (const [title, rows] of Object.entries(tables)) section(title === 'variants' ? 'selected kernels' : title, rows);
  if (features) process.stdout.write(`features\n  ${features.join(', ')}\n`);
  return 0;
}

const isMissing = (error: unknown): error is Error => error instanceof DeviceError || error instanceof OnnxEngineError;

/** Which engine is taken by itself, and why. */
async function automaticChoice(options: EngineOptions): Promise<string> {
  try {
    const { reason, close } = await openEngine({ ...options, engine: 'auto' });
    close();
    return reason;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return 'none';
  }
}

function describeEngine({ device, threads, gflops, missing }: EngineReport): string {
  if (missing !== undefined) return `none: ${missing}`;
  const parts = [
    device,
    threads === undefined ? undefined : `${threads} thread${threads === 1 ? '' : 's'}`,
    gflops === undefined ? undefined : `${gflops.toFixed(0)} GFLOP/s in matrix products`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function section(title: string, rows: Record<string, unknown>): void {
  process.stdout.write(`${title}\n`);
  const width = Math.max(...Object.keys(rows).map((key) => key.length));
  for (const [key, value] of Object.entries(rows)) process.stdout.write(`  ${key.padEnd(width)}  ${value}\n`);
}

/** What a GPU offers, and the kernels that it gets. */
function describeAdapter(runtime: Runtime) {
  const { vendor, architecture, device, description } = runtime.info;
  const { limits } = runtime.device;
  return {
    adapter: { vendor, architecture, device, description },
    class: { ...runtime.adapterClass },
    features: [...runtime.device.features].sort(),
    limits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    },
    variants: selectedVariants(runtime.adapterClass),
    tuning: {
      'measured shapes': tuningOf(runtime).table.size,
      warning: tuningOf(runtime).warning?.message ?? 'none',
    },
  };
}
