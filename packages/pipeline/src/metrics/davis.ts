import { listFolder, readBinary } from '#platform';
import { imageFiles, stemOf } from '../io/image-source.js';
import { type LabelMap, labelIds } from '../io/label-map.js';
import { checkOwnedFile, writeOwnedFile } from '../io/owned-file.js';
import { decodeLabelPng } from '../io/palette-png.js';
import { dataSetInputs } from '../io/run-inputs.js';
import { globalCsv, perSequenceCsv, reportTable, timingCsv } from './csv.js';
import { EvaluationError } from './errors.js';
import {
  type EvaluateOptions,
  type EvaluationFrame,
  evaluateSequence,
  type SequenceScores,
  type Summary,
  summarise,
  type Task,
} from './evaluate.js';
import { readTiming, type SequenceTiming, timingOf } from './timing.js';

/** Options of `evaluateDavis`. */
export interface DavisOptions {
  /** DAVIS folder: `Annotations/<resolution>/<sequence>/*.png` (unsupervised: `Annotations_unsupervised`), `ImageSets/<year>/<split>.txt`. */
  root: string;
  /** Folder of results: `<sequence>/<frame>.png`, indexed or grey, the value is the object. */
  results: string;
  /** 2016: one object, any value above 0. Default 2017. */
  year?: 2016 | 2017 | 2019 | undefined;
  /** Default `val`. */
  split?: string | undefined;
  task?: Task | undefined;
  /** Default: those of the split; where the root has no `ImageSets`, every annotated sequence. */
  sequences?: readonly string[] | undefined;
  /** The given sequences are all of the split; without this, `sequences` are a choice, and names of files say so. */
  wholeSplit?: boolean | undefined;
  /** Default `480p`. */
  resolution?: string | undefined;
  /** See `EvaluateOptions.compat`. */
  compat?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Scores one sequence; default `scoreSequence`. Something else may do so in another thread. */
  score?: ((task: SequenceTask, signal?: AbortSignal) => Promise<SequenceScores>) | undefined;
  /** Sequences that are scored at the same time; default 1. */
  jobs?: number | undefined;
  /** Called after each sequence. */
  onProgress?: ((progress: { done: number; total: number; sequence: string }) => void) | undefined;
}

/** What `evaluateDavis` gives. */
export interface DavisReport {
  year: number;
  split: string;
  task: Task;
  compat: boolean;
  /** Over all objects of all sequences. */
  summary: Summary;
  /** With every frame's J and F of each object. */
  sequences: (SequenceScores & { summary: Summary; timing?: SequenceTiming })[];
  /** What is there and was not scored, for people to read. */
  notes: string[];
  /** Of all sequences whose results tell it. */
  timing?: SequenceTiming;
}

async function annotationFolder({ root, task, resolution = '480p' }: DavisOptions): Promise<string> {
  const name = task === 'unsupervised' ? 'Annotations_unsupervised' : 'Annotations';
  const folder = `${root}/${name}/${resolution}`;
  if (await listFolder(folder)) return folder;
  throw new EvaluationError('not-found', folder, 'no such folder of annotations');
}

/** Sequence names of a split, from the list DAVIS ships; 2016's own lists hold file pairs, of which the folder is the name. */
async function splitSequences(options: DavisOptions, annotations: string): Promise<string[]> {
  const { root, year, split = 'val', resolution = '480p' } = options;
  const years = year === undefined ? [2017, 2016] : [year];
  const lists = years.flatMap((each) => [
    `${root}/ImageSets/${each}/${split}.txt`,
    ...(each === 2016 ? [`${root}/ImageSets/${resolution}/${split}.txt`] : []),
  ]);
  for (const list of lists) {
    const bytes = await readBinary(list).catch(() => undefined);
    if (!bytes) continue;
    const lines = new TextDecoder().decode(bytes).split(/\s+/).filter(Boolean);
    return [...new Set(lines.map((line) => (line.includes('/') ? line.split('/').at(-2)! : line)))].sort();
  }
  if (await listFolder(`${root}/ImageSets`)) {
    throw new EvaluationError('not-found', lists[0]!, 'no such list of sequences; name the sequences to score');
  }
  const names: string[] = [];
  for (const name of (await listFolder(annotations))!.filter((entry) => !entry.startsWith('.')).sort()) {
    // Whatever else lies there, such as a picture viewer's index, is no folder of annotations.
    if ((await labelFiles(`${annotations}/${name}`))?.length) names.push(name);
  }
  return names;
}

/** The label PNGs of a folder, hidden files left out; undefined if there is no such folder. */
async function labelFiles(folder: string): Promise<string[] | undefined> {
  const names = await listFolder(folder);
  return names?.filter((name) => name.endsWith('.png') && !name.startsWith('.')).sort();
}

/**
 * Names of the sequences to score: those asked for, or those of the split.
 * Throws `EvaluationError` (`not-found`; `bad-option` for what is no name, and for one that would count twice).
 */
export async function davisSequences(options: DavisOptions): Promise<readonly string[]> {
  const { sequences } = options;
  if (!sequences) return splitSequences(options, await annotationFolder(options));
  for (const [i, name] of sequences.entries()) {
    const why = /[\\/]|^\.*$/.test(name)
      ? 'is no name of a folder of annotations'
      : sequences.indexOf(name) < i
        ? 'is named twice, and would count twice'
        : undefined;
    if (why) throw new EvaluationError('bad-option', 'sequences', `"${name}" ${why}`);
  }
  return sequences;
}

/**
 * What is there and not scored: pictures without an annotation, and whole sequences where the annotations alone say which there are.
 * The official toolkit passes over them without a word.
 */
async function unscored(options: DavisOptions, annotations: string, names: readonly string[]): Promise<string[]> {
  const { root, resolution = '480p', sequences, wholeSplit } = options;
  const pictures = `${root}/JPEGImages/${resolution}`;
  const notes: string[] = [];
  for (const name of names) {
    const frames = imageFiles((await listFolder(`${pictures}/${name}`)) ?? []).map(stemOf);
    const annotated = new Set((await labelFiles(`${annotations}/${name}`))?.map(stemOf));
    const lacking = frames.filter((stem) => !annotated.has(stem));
    if (lacking.length > 0) {
      notes.push(
        `${name}: ${lacking.length} of ${frames.length} pictures have no annotation and are not scored, such as ${lacking[0]}`,
      );
    }
  }
  if ((sequences && !wholeSplit) || (await listFolder(`${root}/ImageSets`))) return notes;
  for (const name of ((await listFolder(pictures)) ?? []).sort()) {
    if (names.includes(name) || imageFiles((await listFolder(`${pictures}/${name}`)) ?? []).length === 0) continue;
    notes.push(`${name}: has no annotations and is not scored`);
  }
  return notes;
}

/**
 * Which DAVIS the annotations are of, from the first one of each sequence: 0 and 255 alone is 2016's way to mark its one object, other numbers are
 * the objects of 2017 and later.
 * @returns the year and a file that shows it; undefined where nothing does
 * Throws `EvaluationError` (`not-found`; `bad-option` where sequences differ) and `MaskError`.
 */
export async function annotationYear(options: DavisOptions): Promise<{ year: 2016 | 2017; file: string } | undefined> {
  const annotations = await annotationFolder(options);
  let seen: { year: 2016 | 2017; file: string } | undefined;
  for (const name of await davisSequences(options)) {
    const [first] = (await labelFiles(`${annotations}/${name}`)) ?? [];
    if (first === undefined) continue;
    const file = `${annotations}/${name}/${first}`;
    const ids = labelIds(await readLabels(file, 'not-found'));
    if (ids.length === 0) continue;
    const year = ids.length === 1 && ids[0] === 255 ? 2016 : 2017;
    if (seen && seen.year !== year) {
      throw new EvaluationError(
        'bad-option',
        file,
        `its values are those of DAVIS-${year}, those of ${seen.file} of DAVIS-${seen.year}; score them apart`,
      );
    }
    seen ??= { year, file };
  }
  return seen;
}

async function readLabels(path: string, missing: 'missing-result' | 'not-found'): Promise<LabelMap> {
  let bytes: Uint8Array;
  try {
    bytes = await readBinary(path);
  } catch (cause) {
    throw new EvaluationError(missing, path, 'no such file', { cause });
  }
  return decodeLabelPng(bytes, path);
}

/** All that is needed to score one sequence; plain data, so that it can go to another thread. */
export interface SequenceTask {
  name: string;
  /** Folder of the annotations, and of the results, with the same files in both. */
  annotations: string;
  results: string;
  files: readonly string[];
  evaluate: Pick<EvaluateOptions, 'task' | 'compat' | 'binary'>;
}

/** Scores one sequence from its files. Throws as `evaluateDavis`. */
export function scoreSequence(
  { name, annotations, results, files, evaluate }: SequenceTask,
  signal?: AbortSignal,
): Promise<SequenceScores> {
  const frames: EvaluationFrame[] = files.map((file) => ({
    name: file.slice(0, -'.png'.length),
    truth: () => readLabels(`${annotations}/${file}`, 'not-found'),
    result: () => readLabels(`${results}/${file}`, 'missing-result'),
  }));
  return evaluateSequence(name, frames, { ...evaluate, signal });
}

/**
 * Scores results on DAVIS as the official toolkit does: see `evaluateSequence`.
 * Nothing is read from an earlier score's files.
 *
 * Throws `EvaluationError`: `not-found` (data set, sequence), `missing-result` (names the file), and those of `evaluateSequence`;
 * `MaskError` for a PNG that cannot be read.
 * Source: github.com/davisvideochallenge/davis2017-evaluation.
 */
export async function evaluateDavis(options: DavisOptions): Promise<DavisReport> {
  const { year = 2017, split = 'val', task = 'semi-supervised', compat = false, signal, onProgress } = options;
  const { score = scoreSequence, jobs = 1 } = options;
  const annotations = await annotationFolder(options);
  const names = await davisSequences(options);
  if (names.length === 0) throw new EvaluationError('bad-option', 'sequences', 'no sequences to score');
  const sequences: DavisReport['sequences'] = new Array(names.length);
  const tasks = names.entries();
  let done = 0;
  const work = async () => {
    for (const [i, name] of tasks) {
      const folder = `${annotations}/${name}`;
      const files = await labelFiles(folder);
      if (!files) throw new EvaluationError('not-found', folder, 'no such sequence');
      const evaluate = { task, compat, binary: year === 2016 };
      const scores = await score(
        { name, annotations: folder, results: `${options.results}/${name}`, files, evaluate },
        signal,
      );
      const timing = await readTiming(`${options.results}/${name}`);
      sequences[i] = { ...scores, summary: summarise(scores.objects, { compat }), ...(timing && { timing }) };
      onProgress?.({ done: ++done, total: names.length, sequence: name });
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, work));
  const summary = summarise(
    sequences.flatMap(({ objects }) => objects),
    { compat },
  );
  const timings = sequences.flatMap(({ timing }) => timing ?? []);
  const sum = (key: 'frames' | 'seconds') => timings.reduce((total, timing) => total + timing[key], 0);
  return {
    year,
    split,
    task,
    compat,
    summary,
    sequences,
    notes: await unscored(options, annotations, names),
    ...(timings.length > 0 && { timing: timingOf(sum('frames'), sum('seconds')) }),
  };
}

/** Names a choice of sequences. */
const chosenName = (names: readonly string[]): string =>
  names.length > 3 ? `${names[0]}-and-${names.length - 1}-more` : names.join('-');

/**
 * Scores results and writes the report: what a command line needs.
 *
 * `global_results-<split>.csv` and `per-sequence_results-<split>.csv`, as the toolkit names and fills them, go to `out` (default: the folder
 * of results), and `timing-<split>.csv` where the results tell how long tracking took; the file `json` gets every frame's J and F of
 * each object.
 * Throws as `evaluateDavis`, and `OutputError`.
 * @returns the report, the paths written, and the scores as a table for a terminal
 */
export async function runMetrics(
  options: DavisOptions & {
    out?: string;
    json?: string;
  },
): Promise<{ report: DavisReport; files: string[]; table: string }> {
  const { out = options.results, json, split = 'val' } = options;
  // Scores of some sequences do not take the place of the whole table's.
  const chosen = options.sequences && !options.wholeSplit ? `-${chosenName(options.sequences)}` : '';
  const [global, each, times] = ['global_results', 'per-sequence_results', 'timing'].map(
    (kind) => `${out}/${kind}-${split}${chosen}.csv`,
  ) as [string, string, string];
  const inputs = dataSetInputs(options.root);
  for (const path of [global, each, times, ...(json ? [json] : [])]) await checkOwnedFile(path, inputs);
  const report = await evaluateDavis(options);
  const files = new Map([
    [global, globalCsv(report.summary)],
    [each, perSequenceCsv(report.sequences)],
  ]);
  const { sequences, timing } = report;
  if (timing) files.set(times, timingCsv({ sequences, timing }));
  if (json) files.set(json, `${JSON.stringify(report, null, 1)}\n`);
  for (const [path, text] of files) await writeOwnedFile(path, text, inputs);
  return { report, files: [...files.keys()], table: reportTable(report) };
}
