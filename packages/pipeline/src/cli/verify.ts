/** `samtrack verify`: does this machine's GPU compute what the published models compute? */
import { parseArgs } from 'node:util';
import { initialize, shutdown } from '@samtrack/kernels';
import { DEAOT_CONFIGS, type DeAotName, openCheckpoint, verifyDeAot } from '@samtrack/models';
import { type Command, oneOf, UsageError } from './command.js';

const MODELS = Object.keys(DEAOT_CONFIGS) as DeAotName[];

const HELP = `Usage: samtrack verify --model NAME --manifest FILE --taps FILE [options]

Runs a model on this machine's GPU with reference weights and frames, and compares what it computes with what
the published implementation computed: the normalised squared error of each intermediate, and the share of
pixels whose labels differ.

  --model NAME      ${MODELS.join(', ')}
  --manifest FILE   the weights: a recipe of procedural weights (.json), or a checkpoint
  --taps FILE       inputs and reference results (.safetensors)
  --adapter NAME    part of the name of the GPU to use
  --json            print JSON
  -h, --help        print this

Exit status: 0 all within tolerance, 1 not, 2 wrong usage.
`;

const OPTIONS = {
  model: { type: 'string' },
  manifest: { type: 'string' },
  taps: { type: 'string' },
  adapter: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'compare this GPU with reference results',
  help: HELP,
  run,
};

async function run(argv: string[]): Promise<number> {
  const { values: options } = parseArgs({ args: argv, options: OPTIONS });
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const model = oneOf('model', options.model, MODELS);
  if (!model || !options.manifest || !options.taps) throw new UsageError('verify needs --model, --manifest and --taps');
  const manifest = await openCheckpoint(options.manifest);
  const taps = await openCheckpoint(options.taps);
  const runtime = await initialize({ adapter: options.adapter });
  try {
    const results = await verifyDeAot(model, manifest, taps);
    const failed = results.filter(({ pass }) => !pass);
    if (options.json) {
      const { vendor, architecture, device, description } = runtime.info;
      const adapter = { vendor, architecture, device, description };
      process.stdout.write(`${JSON.stringify({ model, adapter, pass: failed.length === 0, results }, null, 2)}\n`);
    } else {
      process.stdout.write(`${model} on ${runtime.info.description || runtime.info.device}\n`);
      const width = Math.max(...results.map(({ name }) => name.length));
      for (const { name, error, limit, pass } of results) {
        const text = name.endsWith('label_u8')
          ? `${((1 - error) * 100).toFixed(3)} % of pixels agree`
          : `${error.toExponential(2)} (limit ${limit.toExponential(0)})`;
        process.stdout.write(`  ${pass ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${text}\n`);
      }
      process.stdout.write(
        failed.length === 0
          ? `All ${results.length} within tolerance.\n`
          : `${failed.length} of ${results.length} beyond tolerance.\n`,
      );
    }
    return failed.length === 0 ? 0 : 1;
  } finally {
    shutdown(runtime);
    await manifest.close();
    await taps.close();
  }
}
