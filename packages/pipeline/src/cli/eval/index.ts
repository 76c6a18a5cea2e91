/** `samtrack eval`: scores results on a data set as its official toolkit does, or packs them for its server; tracks first where asked to. */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { dataSetInputs, labelIds } from '../../io/index.js';
import {
  annotationYear,
  type DavisOptions,
  davisSequences,
  EvaluationError,
  runMetrics,
  type SubmissionSequence,
  writeSubmission,
  youTubeVosVideos,
} from '../../metrics/index.js';
import {
  type Arguments,
  defineCommand,
  namesOf,
  type OptionValues,
  oneOf,
  positiveNumber,
  UsageError,
} from '../command.js';
import { loadSegmenter, SEGMENTER_HELP, SEGMENTER_OPTIONS, segmenterSettings } from '../common/assistants.js';
import { interruptible } from '../common/interrupt.js';
import { Report } from '../common/progress.js';
import { TRACKER_HELP, TRACKER_OPTIONS, type TrackerSettings, trackerSettings } from '../common/tracking.js';
import { optionalCommands } from '../optional.js';
import { clicksCommand } from './clicks.js';
import { ScorePool } from './score-pool.js';
import {
  davisSequence,
  type EvalSequence,
  type SimulatedClicks,
  trackSequences,
  youTubeVosSequence,
} from './tracking.js';

const HELP = `Usage: samtrack eval davis --root FOLDER [--results FOLDER] [options]
       samtrack eval youtube-vos --root FOLDER [--results FOLDER] [options]
       samtrack eval clicks --root FOLDER [options]   (see samtrack eval clicks --help)

Scores results on DAVIS: J, F and their means, recall and decay, as the official toolkit computes them.
With --run, or without --results, tracks every sequence from the masks of its first frame before. Sequences whose
results are complete are not tracked again, and interrupted ones go on. Splits whose annotations are not public (DAVIS
test-dev and test-challenge, YouTube-VOS) are tracked and packed for their server, and the server's rules are checked.

Data:
  --root FOLDER         DAVIS: JPEGImages, Annotations, ImageSets; YouTube-VOS: the split's folder, with meta.json
  --results FOLDER      results: FOLDER/<sequence>/00000.png, the value is the object;
                        default samtrack-results/<data set>-<year>-<split>, and --run
  --year YEAR           2016 (one object: any value above 0), 2017 or 2019; default as the annotations show
  --split NAME          list of sequences in ImageSets; default val
  --sequences A,B       these sequences instead
  --resolution NAME     folder below JPEGImages and Annotations; default 480p
  --task NAME           semi-supervised (default) or unsupervised

Scores:
  --compat              also the official toolkit's two quirks: no decay above 256 frames, and unsupervised objects
                        in the order of the proposals
  --out FOLDER          where global_results-<split>.csv and per-sequence_results-<split>.csv go; default --results;
                        with --sequences their names end in those of the sequences; timing-<split>.csv has the times
  --json FILE           write every frame's J and F of each object there
  --jobs N              threads that score; default one for each processor

Submission:
  --zip FILE            pack the results for the server; default for splits that only a server scores: RESULTS.zip

Tracking (with --run):
  --run                 track the sequences, into --results
  --overwrite           track again what is there
  --farm                on the workers of a farm (DAVIS; needs @samtrack/farm); --redis, --storage and --queue as for
                        \`samtrack submit\`
  --clicks N            begin with masks from up to N simulated clicks an object, not with the given masks
${SEGMENTER_HELP}${TRACKER_HELP}
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
  jobs: { type: 'string' },
  zip: { type: 'string' },
  run: { type: 'boolean' },
  overwrite: { type: 'boolean' },
  farm: { type: 'boolean' },
  redis: { type: 'string' },
  storage: { type: 'string' },
  queue: { type: 'string' },
  clicks: { type: 'string' },
  ...SEGMENTER_OPTIONS,
  ...TRACKER_OPTIONS,
  quiet: { type: 'boolean', short: 'q' },
} as const;

type EvalOptions = OptionValues<typeof OPTIONS>;

const YEARS = { 2016: 2016, 2017: 2017, 2019: 2019 } as const;
const DATASETS = ['davis', 'youtube-vos'] as const;
/** Splits of DAVIS whose annotations are not public but for the first frames. */
const HIDDEN = ['test-dev', 'test-challenge'];
/** Options that mean something only where results are scored here. */
const SCORING = ['compat', 'out', 'json', 'jobs', 'task'] as const;

export const evalCommand = defineCommand({
  name: 'eval',
  summary: 'score results on DAVIS, or track a data set and score or submit it',
  help: HELP,
  options: OPTIONS,
  operands: true,
  subcommands: [clicksCommand],
  run,
});

async function run(given: Arguments<typeof OPTIONS>): Promise<number> {
  const { dataset, plan, options } = planned(given);
  const report = new Report(options.quiet);
  return interruptible(async (signal) => {
    if (dataset === 'davis') {
      const seen = await withYear(plan, options, report);
      if (options.farm) return (await farm()).evaluate({ argv: [...given.argv], plan: seen, options, report, signal });
      return evalDavis(seen, options, report, signal);
    }
    const { folder, videos } = await youTubeVosVideos(plan.root, plan.sequences);
    const status = await trackAll(
      plan,
      videos.map((video) => youTubeVosSequence(folder, video)),
      options,
      report,
      signal,
    );
    if (status !== 0 || !plan.zip) return status;
    const sequences = videos.map((video) => submissionOf(youTubeVosSequence(folder, video), video.objects));
    return packSubmission('youtube-vos', plan, await Promise.all(sequences), report, signal);
  });
}

/** What `@samtrack/farm` adds to `samtrack eval`. */
interface EvalFarm {
  /** Evaluates on the workers of a farm. @returns the exit status */
  evaluate(run: EvalFarmRun): Promise<number>;
}

/** What a farm needs to compute an evaluation. */
export interface EvalFarmRun {
  argv: string[];
  plan: EvalPlan;
  options: EvalOptions;
  report: Report;
  signal: AbortSignal;
}

const farm = () => optionalCommands<EvalFarm>('@samtrack/farm', '--farm');

/**
 * Reads the arguments of `samtrack eval`. Opens nothing.
 * @throws UsageError
 */
export const planEval = (argv: readonly string[]): PlannedEval => planned(evalCommand.parse(argv));

/** What `samtrack eval` was asked to do, checked. */
export interface PlannedEval {
  dataset: (typeof DATASETS)[number];
  plan: EvalPlan;
  options: EvalOptions;
}

function planned({ options, operands }: Arguments<typeof OPTIONS>): PlannedEval {
  const dataset = DATASETS.find((name) => name === operands[0]);
  if (operands.length !== 1 || !dataset) {
    throw new UsageError(`eval takes the name of a data set, ${DATASETS.join(' or ')}, or clicks${named(operands)}`);
  }
  if (!options.root) throw new UsageError(`eval ${dataset} needs --root`);
  return { dataset, plan: planOf(dataset, options), options };
}

/**
 * Takes the year from the annotations, or finds that the one that was asked for contradicts them.
 * @throws UsageError, EvaluationError, MaskError
 */
async function withYear(plan: EvalPlan, options: EvalOptions, report: Report): Promise<EvalPlan> {
  const { root, results, split, sequences } = plan;
  const { resolution, task, year: asked } = options;
  const davis = { root, results, split, sequences, resolution, task: oneOf('task', task, TASKS) };
  const seen = await annotationYear(asked === undefined ? davis : { ...davis, year: plan.year });
  if (seen?.year !== 2016) return plan;
  if (asked === undefined) {
    report.note(`${seen.file} holds 0 and 255 only, as annotations of DAVIS-2016 do: one object`);
    const own = options.results ?? join('samtrack-results', `davis-2016-${split}`);
    return { ...plan, year: 2016, results: own };
  }
  if (asked !== '2016') {
    throw new UsageError(`${seen.file} holds 0 and 255 only: it is of DAVIS-2016, not ${asked}; use --year 2016`);
  }
  return plan;
}

const named = (words: readonly string[]) => (words.length === 0 ? '' : `, not "${words.join(' ')}"`);

/** What is to be done. */
export interface EvalPlan {
  root: string;
  results: string;
  year: 2016 | 2017 | 2019;
  split: string;
  sequences: string[] | undefined;
  /** Tracks first. */
  settings: TrackerSettings | undefined;
  clicks: SimulatedClicks | undefined;
  /** Scores here. */
  score: boolean;
  zip: string | undefined;
}

/** @throws UsageError */
function planOf(dataset: (typeof DATASETS)[number], options: EvalOptions): EvalPlan {
  const year = YEARS[oneOf('year', options.year, ['2016', '2017', '2019'] as const) ?? '2017'];
  const split = options.split ?? (dataset === 'davis' ? 'val' : 'valid');
  const hidden = dataset === 'youtube-vos' || HIDDEN.includes(split);
  const useless = hidden ? SCORING.find((name) => name in options) : undefined;
  if (useless) throw new UsageError(`--${useless} is for scores, which only the server of ${dataset} ${split} gives`);
  const results = options.results ?? join('samtrack-results', `${dataset}-${options.year ?? '2017'}-${split}`);
  const track = options.run || options.results === undefined;
  const farmOption = (['redis', 'storage', 'queue'] as const).find((name) => options[name] !== undefined);
  if (farmOption && !options.farm) throw new UsageError(`--${farmOption} goes with --farm`);
  if (options.farm && (hidden || !track)) {
    throw new UsageError(
      `--farm ${hidden ? 'scores: it is not for splits that only a server scores' : 'tracks: add --run'}`,
    );
  }
  const onlyWithRun = [...Object.keys(TRACKER_OPTIONS), 'overwrite', 'clicks', 'segmenter'];
  const stray = onlyWithRun.find((name) => name in options);
  if (stray && !track) throw new UsageError(`--${stray} is for tracking: add --run`);
  if (track && oneOf('task', options.task, TASKS) === 'unsupervised') {
    throw new UsageError('--run tracks from the masks of the first frame: that is the semi-supervised task');
  }
  const sequences = namesOf('sequences', options.sequences);
  const clicks = positiveNumber('clicks', options.clicks, { whole: true });
  if (options.segmenter !== undefined && clicks === undefined) throw new UsageError('--segmenter goes with --clicks');
  const settings = track ? trackerSettings(options, { exactMasks: options.clicks === undefined }) : undefined;
  return {
    root: options.root!,
    results,
    year,
    split,
    sequences,
    settings,
    clicks: clicks === undefined ? undefined : clicksOf(clicks, options, settings),
    score: !hidden,
    zip: options.zip ?? (hidden ? `${results.replace(/\/+$/, '')}.zip` : undefined),
  };
}

const TASKS = ['semi-supervised', 'unsupervised'] as const;

function clicksOf(clicks: number, options: EvalOptions, tracker: TrackerSettings | undefined): SimulatedClicks {
  const settings = segmenterSettings(options, tracker);
  return { clicks, weights: settings.weights, load: (report) => loadSegmenter(settings, report) };
}

async function evalDavis(plan: EvalPlan, options: EvalOptions, report: Report, signal: AbortSignal): Promise<number> {
  const { root, results, year, split } = plan;
  const { resolution = '480p', compat, out, json } = options;
  const task = oneOf('task', options.task, TASKS);
  const jobs = positiveNumber('jobs', options.jobs, { whole: true }) ?? availableParallelism();
  const davis: DavisOptions = {
    root,
    results,
    year,
    split,
    resolution,
    task,
    compat,
    sequences: plan.sequences,
    signal,
  };
  const names = await davisSequences(davis);
  const sequences = names.map((name) => davisSequence(root, name, resolution, year));
  const status = await trackAll(plan, sequences, options, report, signal);
  if (status !== 0) return status;
  if (plan.score) {
    const pool = jobs > 1 ? ScorePool.open() : undefined;
    try {
      const {
        report: { timing, notes },
        files,
        table,
      } = await runMetrics({
        ...davis,
        sequences: names,
        wholeSplit: plan.sequences === undefined,
        ...(pool ? { jobs, score: (task, stop) => pool.score(task, stop) } : {}),
        out,
        json,
        onProgress: ({ done, total, sequence }) =>
          report.progress(`scored ${sequence} (${done}/${total})`, done / total),
      });
      report.end();
      for (const note of notes) report.note(`note: ${note}`);
      if (timing) report.note(`tracked at ${timing.framesPerSecond.toFixed(2)} frames per second`);
      process.stdout.write(table);
      for (const file of files) process.stdout.write(`${resolve(file)}\n`);
    } catch (error) {
      if (!(error instanceof EvaluationError && error.code === 'missing-result' && !plan.settings)) throw error;
      throw new EvaluationError(error.code, error.subject, 'no such file; --run tracks the sequences first', {
        cause: error,
      });
    } finally {
      await pool?.close();
    }
  }
  if (!plan.zip) return 0;
  return packSubmission(
    'davis',
    plan,
    await Promise.all(sequences.map((sequence) => submissionOf(sequence))),
    report,
    signal,
  );
}

function trackAll(
  plan: EvalPlan,
  sequences: readonly EvalSequence[],
  options: EvalOptions,
  report: Report,
  signal: AbortSignal,
): Promise<number> {
  if (!plan.settings) return Promise.resolve(0);
  return trackSequences(sequences, { ...evalRun(plan), overwrite: options.overwrite ?? false, report, signal });
}

/** How the sequences of an evaluation are tracked. */
export function evalRun({ root, results, settings, clicks, year }: EvalPlan) {
  return { results, settings: settings!, identity: { year }, clicks, inputs: dataSetInputs(root) };
}

/** What the archive must hold of a sequence. @param objects ids that may occur; default those of the first mask */
export async function submissionOf(
  sequence: EvalSequence,
  objects?: readonly { id: number }[],
): Promise<SubmissionSequence> {
  const source = await sequence.open();
  try {
    const { width, height } = source;
    const ids = objects?.map(({ id }) => id) ?? labelIds(await sequence.firstMask(source));
    return { name: sequence.name, frames: await sequence.frameNames(), width, height, ids };
  } finally {
    await source.close();
  }
}

export async function packSubmission(
  dataset: 'davis' | 'youtube-vos',
  { root, results, zip }: EvalPlan,
  sequences: SubmissionSequence[],
  report: Report,
  signal: AbortSignal,
): Promise<number> {
  report.progress('checking and packing the submission');
  const files = await writeSubmission({ dataset, results, sequences, zip: zip!, inputs: dataSetInputs(root), signal });
  report.end();
  report.note(`${files} masks of ${sequences.length} sequences, as the server wants them`);
  process.stdout.write(`${resolve(zip!)}\n`);
  return 0;
}
