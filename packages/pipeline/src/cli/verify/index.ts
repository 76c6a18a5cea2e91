/** `samtrack verify`: does this machine compute what the published models compute? */
import {
  type Checkpoint,
  DEAOT_CONFIGS,
  type DeAotName,
  describeArchitecture,
  detectArchitecture,
  modelNames,
  openCheckpoint,
} from '@samtrack/models';
import { type TapResult, verifyDeAot, verifyGroundingDino, verifySam, verifySam2 } from '@samtrack/models/verify';
import { openEngine } from '../../engine/index.js';
import { type Arguments, defineCommand, oneOf, UsageError } from '../command.js';
import { ENGINE_HELP, ENGINE_OPTIONS, engineSettings } from '../common/engine-options.js';

const MODELS = Object.keys(DEAOT_CONFIGS) as DeAotName[];

const HELP = `Usage: samtrack verify --manifest FILE --taps FILE [options]

Runs a model on this machine with reference weights and frames, and compares what it computes with what
the published implementation computed: the normalised squared error of each intermediate, and the share of
pixels whose labels differ; of boxes, the largest difference of a coordinate.

  --manifest FILE   the weights: a recipe of procedural weights (.json), or a checkpoint; says which model it is
  --taps FILE       inputs and reference results (.safetensors)
  --model NAME      ${MODELS.join(', ')};
                    only where the weights leave several
  --stages          print how long each stage takes, and the GPU memory that is allocated after it; Grounding DINO only
  --json            print JSON
  -h, --help        print this

${ENGINE_HELP}
Exit status: 0 all within tolerance, 1 not, 2 wrong usage.
`;

const OPTIONS = {
  model: { type: 'string' },
  manifest: { type: 'string' },
  taps: { type: 'string' },
  ...ENGINE_OPTIONS,
  stages: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

export const verifyCommand = defineCommand({
  name: 'verify',
  summary: 'compare this machine with reference results',
  help: HELP,
  options: OPTIONS,
  run,
});

async function run({ options }: Arguments<typeof OPTIONS>): Promise<number> {
  const wanted = oneOf('model', options.model, MODELS);
  if (!options.manifest || !options.taps) throw new UsageError('verify needs --manifest and --taps');
  const manifest = await openCheckpoint(options.manifest);
  try {
    const taps = await openCheckpoint(options.taps);
    try {
      return await compare(verification(manifest, wanted, options), taps, options);
    } finally {
      await taps.close();
    }
  } finally {
    await manifest.close();
  }
}

/** @returns the exit status */
async function compare(
  { model, verify }: Verification,
  taps: Checkpoint,
  options: { engine?: string; threads?: string; adapter?: string; json?: boolean },
): Promise<number> {
  const { engine, reason, close } = await openEngine(engineSettings(options));
  try {
    const results = await verify(taps);
    const failed = results.filter(({ pass }) => !pass);
    if (options.json) {
      const { kind, device } = engine;
      process.stdout.write(
        `${JSON.stringify({ model, engine: kind, device, pass: failed.length === 0, results }, null, 2)}\n`,
      );
    } else {
      process.stdout.write(`${model}, ${reason}\n`);
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
    close();
  }
}

/** How a model is verified, and its name. */
interface Verification {
  model: string;
  verify: (taps: Checkpoint) => Promise<TapResult[]>;
}

/** @throws UsageError where the weights leave open which model they are of */
function verification(
  manifest: Checkpoint,
  wanted: DeAotName | undefined,
  { stages }: { stages?: boolean },
): Verification {
  const architecture = detectArchitecture(manifest);
  // Weights of no known model: the one that is asked for says what it misses in them.
  if (architecture === undefined || architecture.family === 'deaot') {
    const names = architecture ? modelNames(architecture) : [];
    const model = wanted ?? (names.length === 1 ? (names[0] as DeAotName) : undefined);
    if (!model) throw new UsageError(`verify needs --model: ${manifest.file} could be ${names.join(' or ') || 'any'}`);
    return { model, verify: (taps) => verifyDeAot(model, manifest, taps) };
  }
  const model = modelNames(architecture)[0] ?? describeArchitecture(architecture);
  if (wanted) throw new UsageError(`--model ${wanted} is DeAOT, ${manifest.file} has weights of ${model}`);
  if (architecture.family === 'sam2') return { model, verify: (taps) => verifySam2(manifest, taps) };
  if (architecture.family === 'sam') return { model, verify: (taps) => verifySam(manifest, taps) };
  return { model, verify: (taps) => verifyGroundingDino(manifest, taps, stages ? { onStage: printStage } : {}) };
}

/** To the standard error, where it does not mix with JSON. */
function printStage(stage: string, milliseconds: number, allocatedBytes: number): void {
  const memory = `${Math.round(allocatedBytes / 2 ** 20)} MiB allocated`;
  process.stderr.write(`  ${stage.padEnd(9)} ${milliseconds.toFixed(0).padStart(7)} ms, ${memory}\n`);
}
