/** `samtrack tune`: which of the kernels that compute the same is the fastest here? */
import { basename } from 'node:path';
import { initialize, shutdown } from '@samtrack/kernels';
import { type TunedShapeResult, type TuneResult, tune, tuningOf, tuningStore } from '@samtrack/kernels/tuning';
import { DEAOT_CONFIGS, SAM2_CONFIGS, type Size } from '@samtrack/models';
import { DETECTOR_NAMES, SEGMENTER_NAMES } from '../../assist/names.js';
import { type Arguments, defineCommand, listed, oneOf, positiveNumber, UsageError } from '../command.js';
import { segmenterSettings } from '../common/assistants.js';
import { cachedWeights } from '../common/cached-weights.js';
import { interruptible, stoppedStatus } from '../common/interrupt.js';
import { Report } from '../common/progress.js';
import { trackerSettings } from '../common/tracking.js';
import { type LoadOptions, type TunableModel, tunableDetector, tunableSegmenter, tunableTracker } from './work.js';

const TRACKERS = [...Object.keys(DEAOT_CONFIGS), ...Object.keys(SAM2_CONFIGS)];
const SEGMENTERS = SEGMENTER_NAMES.filter((name) => !TRACKERS.includes(name));
const DETECTORS: readonly string[] = DETECTOR_NAMES;
const MODELS = [...TRACKERS, ...SEGMENTERS, ...DETECTORS];

const HELP = `Usage: samtrack tune [--model NAME] [--size HxW] [options]

Times all kernels that can compute what a model computes on this machine's GPU, and remembers the fastest of each: from
then on all commands of samtrack use them. Results may differ by float32 rounding from those without. What was
measured is kept for each GPU and driver, in the folder samtrack/tuning of the user's cache, and is forgotten when
the kernels change. Prints a table of what was measured.

  --model NAME       ${listed(MODELS, 21)};
                     default deaot-t. SAM 2.1 as the tracker that it is, and with a click
  --weights FILE     .pth or .safetensors; default the weights that come with samtrack or are in its cache
  --size HxW         size of the frames or images to be fast for; default 480x854
  --long-edge N      longest side of the network's input, as for track
  --budget SECONDS   most time for measuring; default 60. What takes the most time comes first
  --enough SHARE     look for no faster kernel than one that reaches this share of what the GPU can do at most, in
                     large matrix products or in copies; default 0.7
  --again            also measure again what is known already
  --adapter NAME     part of the name of the GPU to use
  --json             print JSON
  -h, --help         print this

Ctrl-C stops; what was measured until then is kept.
`;

const OPTIONS = {
  model: { type: 'string' },
  weights: { type: 'string' },
  size: { type: 'string' },
  'long-edge': { type: 'string' },
  budget: { type: 'string' },
  enough: { type: 'string' },
  again: { type: 'boolean' },
  adapter: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const tuneCommand = defineCommand({
  name: 'tune',
  summary: 'find the fastest kernels for a model on this GPU',
  help: HELP,
  options: OPTIONS,
  run,
});

async function run({ options }: Arguments<typeof OPTIONS>): Promise<number> {
  const budget = positiveNumber('budget', options.budget) ?? 60;
  const enough = positiveNumber('enough', options.enough);
  const size = frameSize(options.size);
  const load = modelLoader(options, size);
  const report = new Report(false);
  return interruptible(async (signal) => {
    const runtime = await initialize({ adapter: options.adapter, tuning: 'cached' });
    try {
      const tuning = tuningOf(runtime);
      if (tuning.warning) report.note(`${tuning.warning.message} It is replaced.`);
      const model = await load({ signal, onProgress: report.loading('weights') });
      report.end();
      try {
        report.note(`measuring on ${runtime.info.description || runtime.info.device}`);
        const result = await tune(runtime, () => model.work(), {
          budgetMs: 1000 * budget,
          enough,
          again: options.again,
          signal,
          onProgress: ({ done, total, shape }) =>
            report.progress(`${done}/${total} ${shape.op} ${shape.shape}`, done / total),
        });
        report.end();
        await tuningStore().save(tuning.table);
        process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : describe(result));
        return result.stopped === 'aborted' ? stoppedStatus(signal) : 0;
      } finally {
        model.dispose();
      }
    } finally {
      shutdown(runtime);
    }
  });
}

/** @throws UsageError */
function frameSize(text = '480x854'): Size {
  const [, height, width] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  const size = { height: Number(height), width: Number(width) };
  if (!(size.height >= 32 && size.width >= 32)) {
    throw new UsageError(`--size needs HEIGHTxWIDTH of at least 32, not "${text}"`);
  }
  return size;
}

/** @throws UsageError */
function modelLoader(
  options: { model?: string; weights?: string; 'long-edge'?: string; adapter?: string },
  size: Size,
): (load: LoadOptions) => Promise<TunableModel> {
  const model = oneOf('model', options.model, MODELS) ?? TRACKERS[0]!;
  if (TRACKERS.includes(model)) {
    const { weights, adapter, 'long-edge': longEdge } = options;
    const settings = trackerSettings({ model, weights, adapter, engine: 'webgpu', 'long-edge': longEdge });
    return (load) => tunableTracker(settings, size, load);
  }
  if (options['long-edge'] !== undefined) throw new UsageError('--long-edge is for trackers');
  const { weights } = options;
  if ((SEGMENTERS as string[]).includes(model)) {
    const settings =
      weights === undefined
        ? segmenterSettings({ segmenter: model }, undefined, 'weights')
        : { name: basename(weights), weights };
    return (load) => tunableSegmenter(settings, size, load);
  }
  return (load) => tunableDetector(weights ?? cachedWeights(model), size, load);
}

const gainOf = ({ milliseconds, selected, variant }: TunedShapeResult): number =>
  milliseconds[selected]! / milliseconds[variant]!;

/** A table of what was measured, and what it comes to. */
function describe({ shapes, ceilings, known, remaining, stopped }: TuneResult): string {
  const rows = shapes.map((result) => [
    result.op,
    result.shape,
    String(result.calls),
    result.selected,
    result.variant === result.selected ? '' : result.variant,
    `${gainOf(result).toFixed(2)}x`,
    `${Math.round(100 * result.share)} %`,
  ]);
  const lines: string[] = [];
  if (rows.length > 0) {
    const table = [['operation', 'shape', 'calls', 'default', 'faster', 'gain', 'of ceiling'], ...rows];
    const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    lines.push(
      ...table.map((row) =>
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      ),
      '',
    );
  }
  for (const { op, shape, excluded } of shapes) {
    for (const [variant, reason] of Object.entries(excluded)) {
      lines.push(`${op} ${shape}: ${variant} is not used: ${reason}`);
    }
  }
  const time = (by: (result: TunedShapeResult) => string) =>
    shapes.reduce((sum, result) => sum + result.calls * result.milliseconds[by(result)]!, 0);
  const before = time(({ selected }) => selected);
  const after = time(({ variant }) => variant);
  const gflops = (ceilings.flopsPerSecond / 1e9).toPrecision(3);
  const gigabytes = (ceilings.bytesPerSecond / 1e9).toPrecision(3);
  lines.push(
    `${shapes.length} shapes measured, ${known} known before${remaining > 0 ? `, ${remaining} left (${stopped})` : ''}.`,
    `${before.toPrecision(3)} ms of kernels became ${after.toPrecision(3)} ms.`,
    `Ceilings: ${gflops} GFLOP/s in matrix products, ${gigabytes} GB/s in copies.`,
  );
  return `${lines.join('\n')}\n`;
}
