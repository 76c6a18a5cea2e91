/** `samtrack eval`: scores results on a data set, as its official toolkit does; tracks first where asked to. */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openDavisSequence, openOutputFolder, ResultWriter, readMask } from '../io/index.js';
import { type DavisOptions, davisSequences, runMetrics } from '../metrics/index.js';
import { trackToFolder } from '../tracking/track.js';
import type { VideoTracker } from '../tracking/video-tracker.js';
import { type Command, isExpected, oneOf, UsageError } from './command.js';
import { INTERRUPTED, interruptible } from './interrupt.js';
import { Report } from './progress.js';
import {
  loadTracker,
  reportProgress,
  TRACKER_HELP,
  TRACKER_OPTIONS,
  type TrackerSettings,
  trackerSettings,
} from './tracking.js';

const HELP = `Usage: samtrack eval davis --root FOLDER --results FOLDER [--run] [options]

Scores results on DAVIS: J, F and their means, recall and decay, as the official toolkit computes them.
With --run, tracks every sequence from the masks of its first frame before. Sequences whose results are complete are
not tracked again, and interrupted ones go on.

Data:
  --root FOLDER         the DAVIS folder: JPEGImages, Annotations, ImageSets
  --results FOLDER      results: FOLDER/<sequence>/00000.png, the value is the object
  --year YEAR           2016 (one object: any value above 0), 2017 or 2019; default 2017
  --split NAME          list of sequences in ImageSets; default val
  --sequences A,B       these sequences instead
  --resolution NAME     folder below JPEGImages and Annotations; default 480p
  --task NAME           semi-supervised (default) or unsupervised

Scores:
  --compat              also the official toolkit's two quirks: no decay above 256 frames, and unsupervised objects
                        in the order of the proposals
  --out FOLDER          where global_results-<split>.csv and per-sequence_results-<split>.csv go; default --results
  --json FILE           write every frame's J and F of each object there

Tracking (with --run):
  --run                 track the sequences, into --results
  --overwrite           track again what is there
${TRACKER_HELP}
  -q, --quiet           no progress
  -h, --help            print this

Ctrl-C keeps what is done. Exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped.
`;

const OPTIONS = {
  root: { type: 'string' },
  results: { type: 'string' },
  year: { type: 'string' },
  split: { type: 'string' },
  sequences: { type: 'string' },
  resolution: { type: 'string' },
  task: { type: 'string' },
  compat: { type: 'boolean' },
  out: { type: 'string' },
  json: { type: 'string' },
  run: { type: 'boolean' },
  overwrite: { type: 'boolean' },
  ...TRACKER_OPTIONS,
  quiet: { type: 'boolean', short: 'q' },
  help: { type: 'boolean', short: 'h' },
} as const;

const YEARS = { 2016: 2016, 2017: 2017, 2019: 2019 } as const;

export const evalCommand: Command = {
  name: 'eval',
  summary: 'score results on DAVIS, or track it and score',
  help: HELP,
  run,
};

async function run(argv: string[]): Promise<number> {
  const { values: options, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length !== 1 || positionals[0] !== 'davis') {
    throw new UsageError(`eval takes the name of a data set, which is davis${named(positionals)}`);
  }
  const { root, results } = options;
  if (!root || !results) throw new UsageError('eval davis needs --root and --results');
  const year = YEARS[oneOf('year', options.year, ['2016', '2017', '2019'] as const) ?? '2017'];
  const task = oneOf('task', options.task, ['semi-supervised', 'unsupervised'] as const);
  if (options.run && task === 'unsupervised') {
    throw new UsageError('--run tracks from the masks of the first frame: that is the semi-supervised task');
  }
  const onlyWithRun = [...Object.keys(TRACKER_OPTIONS), 'overwrite'].find((name) => name in options);
  if (onlyWithRun && !options.run) throw new UsageError(`--${onlyWithRun} is for tracking: add --run`);
  const settings = options.run ? trackerSettings(options) : undefined;
  const sequences = options.sequences?.split(',').filter(Boolean);
  if (sequences?.length === 0) throw new UsageError('--sequences needs names, with commas between them');
  const { split, resolution, compat, out, json } = options;
  const report = new Report(options.quiet);

  return interruptible(async (signal) => {
    const davis: DavisOptions & { signal: AbortSignal } = {
      root,
      results,
      year,
      split,
      resolution,
      task,
      compat,
      sequences,
      signal,
    };
    const names = await davisSequences(davis);
    if (settings) {
      const tracked = await trackSequences(names, davis, settings, options.overwrite ?? false, report);
      if (tracked !== 0) return tracked;
    }
    const { files, table } = await runMetrics({
      ...davis,
      sequences: names,
      out,
      json,
      onProgress: ({ done, total, sequence }) => report.progress(`scored ${sequence} (${done}/${total})`, done / total),
    });
    report.end();
    process.stdout.write(table);
    for (const file of files) process.stdout.write(`${resolve(file)}\n`);
    return 0;
  });
}

const named = (words: readonly string[]) => (words.length === 0 ? '' : `, not "${words.join(' ')}"`);

/** Tracks the sequences that have no complete results yet. @returns the exit status */
async function trackSequences(
  names: readonly string[],
  davis: DavisOptions & { signal: AbortSignal },
  settings: TrackerSettings,
  overwrite: boolean,
  report: Report,
): Promise<number> {
  let tracker: VideoTracker | undefined;
  try {
    for (const [i, name] of names.entries()) {
      const prefix = `${name} (${i + 1}/${names.length}): `;
      const { root, resolution = '480p', signal } = davis;
      const source = await openDavisSequence(root, name, { resolution });
      try {
        const folder = openOutputFolder(join(davis.results, name));
        const identity = { ...settings.identity, year: davis.year ?? null };
        if (!overwrite && (await ResultWriter.isComplete({ folder, source, identity }))) {
          report.note(`${prefix}done before`);
          continue;
        }
        const firstMask = await readMask(join(root, 'Annotations', resolution, name, '00000.png'), source);
        if (davis.year === 2016) firstMask.data = firstMask.data.map((id) => (id ? 1 : 0));
        tracker ??= await loadTracker(settings, report, signal);
        tracker.restart();
        const { summary, error } = await trackToFolder({
          source,
          tracker,
          firstMask,
          writer: await ResultWriter.open({
            folder,
            source,
            masksFolder: '',
            overlay: false,
            coco: false,
            existing: overwrite ? 'replace' : 'resume',
            identity,
          }),
          signal,
          onProgress: (progress) => reportProgress(report, tracker!, progress, prefix),
        });
        report.end();
        if (error === undefined) continue;
        if (!signal.aborted && !isExpected(error)) throw error;
        const cause = signal.aborted ? '' : ` ${(error as Error).message}`;
        report.failure(
          `samtrack eval: ${name} stopped after ${summary.frames} frames. All results are kept: the same command goes on.${cause}`,
        );
        return signal.aborted ? INTERRUPTED : 1;
      } finally {
        await source.close();
      }
    }
    return 0;
  } finally {
    tracker?.dispose();
  }
}
