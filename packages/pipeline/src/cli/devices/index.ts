/** `samtrack devices`: the GPU, what it offers, and which kernels it gets. */
import {
  type AdapterClass,
  gemm,
  initialize,
  localGatedAttention,
  shutdown,
  softmaxRows,
  tuningOf,
} from '@samtrack/kernels';
import { type Arguments, defineCommand } from '../command.js';

const HELP = `Usage: samtrack devices [--adapter NAME] [--json]

Shows the GPU that samtrack uses, its features and limits, which variant of each kernel it selects by itself, and for
how many shapes \`samtrack tune\` has measured which one is the fastest.

  --adapter NAME   part of the name of the GPU to look at
  --json           print JSON
  -h, --help       print this
`;

const OPTIONS = {
  adapter: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const devicesCommand = defineCommand({
  name: 'devices',
  summary: 'show the GPU and the kernels it gets',
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
  const runtime = await initialize({ adapter: options.adapter, tuning: 'cached' });
  try {
    const { vendor, architecture, device, description } = runtime.info;
    const limits = runtime.device.limits;
    const report = {
      adapter: { vendor, architecture, device, description },
      class: runtime.adapterClass,
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
    if (options.json) {
      process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      return 0;
    }
    const section = (title: string, rows: Record<string, unknown>) => {
      process.stdout.write(`${title}\n`);
      const width = Math.max(...Object.keys(rows).map((key) => key.length));
      for (const [key, value] of Object.entries(rows)) process.stdout.write(`  ${key.padEnd(width)}  ${value}\n`);
    };
    section('adapter', report.adapter);
    section('class', { ...report.class });
    section('limits', report.limits);
    section('selected kernels', report.variants);
    section('tuning', report.tuning);
    process.stdout.write(`features\n  ${report.features.join(', ')}\n`);
    return 0;
  } finally {
    shutdown(runtime);
  }
}
