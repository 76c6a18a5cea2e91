/** `samtrack reproduce`: computes the paper's table and DeAOT's on DAVIS again, beside the published numbers. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DEAOT_CONFIGS } from '@samtrack/models';
import { entryForModel } from '@samtrack/weights';
import { cacheFolder, pull } from '@samtrack/weights/node';
import { imageFiles, stemOf } from '../../io/image-source.js';
import { checkOwnedFile, writeOwnedFile } from '../../io/owned-file.js';
import { dataSetInputs } from '../../io/run-inputs.js';
import { davisSequences, EvaluationError, runMetrics } from '../../metrics/index.js';
import { type Arguments, defineCommand, type OptionValues, UsageError } from '../command.js';
import { SEGMENTER_HELP, SEGMENTER_OPTIONS } from '../common/assistants.js';
import { ENGINE_HELP, ENGINE_OPTIONS, engineArguments } from '../common/engine-options.js';
import { interruptible } from '../common/interrupt.js';
import { Report } from '../common/progress.js';
import { evalRun, packSubmission, planEval, submissionOf } from '../eval/index.js';
import { davisSequence, trackSequences } from '../eval/tracking.js';
import {
  BENCHMARKS,
  type Benchmark,
  INITIALISATIONS,
  type Row,
  reproducibleRows,
  rowName,
  type Scores,
} from './rows.js';

const HELP = `Usage: samtrack reproduce --davis FOLDER [options]

Computes table 1 of Segment and Track Anything and DeAOT's table on DAVIS again: checks the data, tracks every sequence from given
masks and from simulated clicks, scores it as the official toolkit does, and prints each row beside the published number. Rows whose
data or weights are not there are left out, and it says why. The rows of our own weights need no download. What is done is
not done again: after Ctrl-C the same command goes on.

Data:
  --davis FOLDER        DAVIS 2017, trainval at 480p: JPEGImages, Annotations, ImageSets of 2016 and 2017
  --test-dev FOLDER     DAVIS 2017, test-dev at 480p: tracked and packed, since only the server scores it

Rows:
  --models A,B          these models; default all that have published numbers: ${Object.keys(DEAOT_CONFIGS).join(', ')}
  --weights KIND        own (those that come with samtrack) or official; default both
  --init KIND           ${INITIALISATIONS.join(' or ')}; default both
  --clicks N            most clicks for an object; default 3
${SEGMENTER_HELP}  --fetch               download official checkpoints that are missing (up to 300 MB each; see \`samtrack weights list\`)

Output:
  --out FOLDER          masks, scores and table; default samtrack-results/reproduce
  -q, --quiet           no progress
  -h, --help            print this

${ENGINE_HELP}
Exit status: 0 at least one row was computed and none failed, 1 a failure, 2 wrong usage, 130 stopped.
`;

const OPTIONS = {
  davis: { type: 'string' },
  'test-dev': { type: 'string' },
  models: { type: 'string' },
  weights: { type: 'string' },
  init: { type: 'string' },
  clicks: { type: 'string' },
  ...SEGMENTER_OPTIONS,
  fetch: { type: 'boolean' },
  out: { type: 'string' },
  ...ENGINE_OPTIONS,
  quiet: { type: 'boolean', short: 'q' },
} as const;

type Options = OptionValues<typeof OPTIONS>;

export const reproduceCommand = defineCommand({
  name: 'reproduce',
  summary: "compute the paper's table again, beside the published numbers",
  help: HELP,
  options: OPTIONS,
  run,
});

/** What became of a row. */
interface Outcome {
  row: Row;
  /** In per cent. */
  scores?: Scores;
  sequences?: number;
  /** The archive for the server, where only that scores. */
  submission?: string;
  /** Why there is neither. */
  skipped?: string;
}

async function run({ options }: Arguments<typeof OPTIONS>): Promise<number> {
  const rows = chosenRows(options);
  if (options.davis === undefined && options['test-dev'] === undefined) {
    throw new UsageError('reproduce needs --davis or --test-dev');
  }
  const out = options.out ?? join('samtrack-results', 'reproduce');
  const table = join(out, 'reproduce.json');
  const inputs = [options.davis, options['test-dev']].flatMap((root) =>
    root === undefined ? [] : dataSetInputs(root),
  );
  const report = new Report(options.quiet);
  return interruptible(async (signal) => {
    const data = await checkData(rows, options);
    await checkOwnedFile(table, inputs);
    const outcomes: Outcome[] = [];
    for (const [i, row] of rows.entries()) {
      report.note(`row ${i + 1} of ${rows.length}: ${rowName(row)}, ${row.benchmark.title}`);
      const outcome = await reproduceRow(row, data.get(row.benchmark), out, options, report, signal);
      if (typeof outcome === 'number') return outcome;
      if (outcome.skipped !== undefined) report.note(`left out: ${outcome.skipped}`);
      outcomes.push(outcome);
      await writeOwnedFile(table, tableJson(outcomes), inputs);
    }
    process.stdout.write(reproductionTable(outcomes));
    process.stdout.write(`${resolve(table)}\n`);
    return outcomes.some(({ scores, submission }) => scores ?? submission) ? 0 : 1;
  });
}

/** @throws UsageError */
function chosenRows(options: Options): readonly Row[] {
  const models = options.models?.split(',').filter(Boolean) ?? Object.keys(DEAOT_CONFIGS);
  const unknown = models.find((name) => !Object.hasOwn(DEAOT_CONFIGS, name));
  if (unknown)
    throw new UsageError(`--models: there is no "${unknown}"; there are ${Object.keys(DEAOT_CONFIGS).join(', ')}`);
  const oneOf = (option: 'weights' | 'init', words: readonly string[]) => {
    const word = options[option];
    if (word === undefined || words.includes(word)) return word;
    throw new UsageError(`--${option} is one of ${words.join(', ')}, not "${word}"`);
  };
  const [weights, init] = [oneOf('weights', ['own', 'official']), oneOf('init', INITIALISATIONS)];
  const rows = reproducibleRows().filter(
    (row) =>
      models.includes(row.model) &&
      (weights === undefined || row.weights === weights) &&
      (init === undefined || row.initialisation === init),
  );
  if (rows.length === 0) throw new UsageError('no published number is like that, and none of our own weights');
  return rows;
}

/** The folder of a benchmark and its sequences, or why there are none. */
type Data = { root: string; names: readonly string[] } | { missing: string };

/** Looks at all data before hours are spent on some. @throws EvaluationError where a folder is there and is not complete */
async function checkData(rows: readonly Row[], options: Options): Promise<Map<Benchmark, Data>> {
  const data = new Map<Benchmark, Data>();
  for (const benchmark of BENCHMARKS.filter((each) => rows.some((row) => row.benchmark === each))) {
    const option = benchmark.split === 'val' ? 'davis' : 'test-dev';
    const root = options[option];
    data.set(benchmark, root === undefined ? { missing: `no --${option}` } : await checkBenchmark(root, benchmark));
  }
  return data;
}

async function checkBenchmark(root: string, { year, split }: Benchmark): Promise<Data> {
  const list = join(root, 'ImageSets', String(year), `${split}.txt`);
  if (existsSync(root) && !existsSync(list)) return { missing: `${list} is not there` };
  const names = await davisSequences({ root, results: root, year, split });
  const faults: string[] = [];
  for (const name of names) {
    const stems = async (kind: string) =>
      imageFiles(await readdir(join(root, kind, '480p', name)).catch((): string[] => [])).map(stemOf);
    const [frames, masks] = [await stems('JPEGImages'), await stems('Annotations')];
    if (frames.length === 0) faults.push(`${name}: no pictures`);
    const wanted = split === 'val' ? frames : frames.slice(0, 1);
    const lacking = wanted.filter((stem) => !masks.includes(stem));
    if (lacking.length > 0) faults.push(`${name}: no annotation of ${lacking.length} frames, such as ${lacking[0]}`);
  }
  if (faults.length === 0) return { root, names };
  const more = faults.length > 5 ? `; and ${faults.length - 5} more` : '';
  throw new EvaluationError('not-found', root, `${faults.slice(0, 5).join('; ')}${more}`);
}

/** @returns what became of it, or the exit status with which everything ends */
async function reproduceRow(
  row: Row,
  data: Data | undefined,
  out: string,
  options: Options,
  report: Report,
  signal: AbortSignal,
): Promise<Outcome | number> {
  if (!data || 'missing' in data) return { row, skipped: data?.missing ?? 'no data' };
  const { benchmark, initialisation } = row;
  const { year, split } = benchmark;
  const results = join(out, rowName(row).replace(/[^a-z0-9-]+/g, '-'), `${year}-${split}`);
  let plan: ReturnType<typeof planEval>['plan'];
  try {
    const weights = row.weights === 'own' ? [] : ['--weights', await officialWeights(row, options, report, signal)];
    const engine = engineArguments(options);
    const clicks =
      initialisation === 'masks'
        ? []
        : ['--clicks', options.clicks ?? '3', ...(options.segmenter ? ['--segmenter', options.segmenter] : [])];
    const dataSet = ['davis', '--root', data.root, '--results', results, '--year', String(year), '--split', split];
    ({ plan } = planEval([...dataSet, '--run', '--model', row.model, ...weights, ...engine, ...clicks]));
  } catch (error) {
    // Weights that are not there.
    if (error instanceof UsageError) return { row, skipped: error.message };
    throw error;
  }
  const sequences = data.names.map((name) => davisSequence(data.root, name, '480p', year));
  const status = await trackSequences(sequences, { ...evalRun(plan), overwrite: false, report, signal });
  if (status !== 0) return status;
  if (!plan.score) {
    const submissions = await Promise.all(sequences.map((sequence) => submissionOf(sequence)));
    await packSubmission('davis', plan, submissions, report, signal);
    return { row, sequences: sequences.length, submission: resolve(plan.zip!) };
  }
  const { report: davis } = await runMetrics({
    root: data.root,
    results,
    year,
    split,
    sequences: data.names,
    wholeSplit: true,
    signal,
    onProgress: ({ done, total, sequence }) => report.progress(`scored ${sequence} (${done}/${total})`, done / total),
  });
  report.end();
  const { jf, j, f } = davis.summary;
  return { row, sequences: sequences.length, scores: { jf: 100 * jf, j: 100 * j.mean, f: 100 * f.mean } };
}

/** @throws UsageError where there is no checkpoint and none may be fetched */
async function officialWeights(row: Row, options: Options, report: Report, signal: AbortSignal): Promise<string> {
  const entry = entryForModel(row.model)!;
  const path = join(cacheFolder(), entry.file);
  if (existsSync(path)) return path;
  if (!options.fetch) throw new UsageError(`no ${entry.file} in the cache; --fetch downloads it`);
  const result = await pull(entry, {
    signal,
    onProgress: ({ bytes, total }) => report.progress(`downloading ${entry.file}`, total && bytes / total),
  });
  report.end();
  return result.path;
}

/** What `reproduce.json` holds; it is written anew after each row. */
function tableJson(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ row, ...outcome }) => {
    const { benchmark, ...rest } = row;
    return { name: rowName(row), ...rest, benchmark: benchmark.title, ...outcome };
  });
  return `${JSON.stringify({ rows }, null, 1)}\n`;
}

/** The rows beside the published numbers, in per cent. */
export function reproductionTable(outcomes: readonly Outcome[]): string {
  const number = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(1));
  const signed = (value: number) => `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
  const lines = outcomes.map(({ row, scores, sequences, submission, skipped }) => {
    const { benchmark, published } = row;
    const part = sequences !== undefined && sequences !== benchmark.sequences;
    const remarks = [
      ...(part ? [`${sequences} sequences of ${benchmark.sequences}`] : []),
      ...(submission ? [`for the server: ${submission}`] : []),
      ...(skipped ? [`left out: ${skipped}`] : []),
    ];
    return [
      rowName(row),
      benchmark.title,
      number(scores?.jf),
      number(scores?.j),
      number(scores?.f),
      number(published?.jf),
      scores && published ? signed(scores.jf - published.jf) : '-',
      remarks.join('; '),
    ];
  });
  const table = [['row', 'data', 'J&F', 'J', 'F', 'published', 'difference', ''], ...lines];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  const isNumber = (column: number) => column > 1 && column < 7;
  return table
    .map((cells) =>
      cells
        .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
    .concat('\n');
}
