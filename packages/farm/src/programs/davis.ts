/** The parts of an evaluation on DAVIS: tracking a sequence, scoring it, putting the scores together. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { davisSequence, type EvalFarmRun, evalRun, planEval, RESULT_FILES, trackSequence } from 'samtrack/cli';
import { runMetrics, type SequenceScores, scoreSequence } from 'samtrack/metrics';
import { FarmError } from '../errors.js';
import { Ledger } from '../ledger/ledger.js';
import { fetchResults } from '../results/fetch.js';
import type { Program } from '../run/context.js';
import type { Storage } from '../storage/storage.js';
import type { KeptModels } from './models.js';

/** Where a job of an evaluation finds its sequence. */
interface SequenceParameters {
  /** Arguments of `samtrack eval`. */
  argv: string[];
  sequence: string;
}

interface ScoreParameters extends SequenceParameters {
  /** Key of the job that tracks it. */
  track: string;
}

interface TableParameters {
  argv: string[];
  sequences: { name: string; track: string; score: string }[];
}

const SCORES = 'scores.json';

/** Tracks a sequence as `samtrack eval --run` does. */
export const davisProgram = (models: KeptModels): Program => ({
  async run({ parameters }, context) {
    const { argv, sequence } = parameters as unknown as SequenceParameters;
    const { plan, options } = planEval(argv);
    const host = models.host(
      context,
      // Scores are those of one machine whatever happens on the way.
      ({ resumesExactly }) => !resumesExactly,
      (name) => `${sequence}/${name}.png`,
    );
    const { clicks, ...run } = evalRun(plan);
    const segmenter = clicks?.load(host.report);
    try {
      const outcome = await trackSequence(davisSequence(plan.root, sequence, options.resolution ?? '480p', plan.year), {
        ...run,
        clicks: clicks && { ...clicks, load: () => segmenter! },
        results: context.folder,
        overwrite: false,
        host,
      });
      if (outcome?.error !== undefined) throw outcome.error;
      return { frames: outcome?.summary.frames ?? 0, notes: outcome?.summary.warnings ?? [] };
    } finally {
      segmenter?.dispose();
    }
  },
  replaces: (file) => file.endsWith(`/${RESULT_FILES.memory}`),
  dispose: () => models.dispose(),
});

/** Scores a sequence that another job has tracked. */
export const scoreProgram: Program = {
  async run({ parameters }, { folder, storage, signal, beat }) {
    const { argv, sequence, track } = parameters as unknown as ScoreParameters;
    const { plan, options } = planEval(argv);
    // Hidden: not part of the results.
    const results = join(folder, '.tracked');
    await fetchComplete(storage, track, sequence, results);
    beat();
    const annotations = join(plan.root, 'Annotations', options.resolution ?? '480p', sequence);
    const files = (await readdir(annotations)).filter((file) => file.endsWith('.png')).sort();
    const evaluate = { task: 'semi-supervised', compat: options.compat ?? false, binary: plan.year === 2016 } as const;
    const scores = await scoreSequence(
      { name: sequence, annotations, results: join(results, sequence), files, evaluate },
      signal,
    );
    await writeFile(join(folder, SCORES), JSON.stringify(scores, refuseNonNumbers));
    return { frames: scores.frames.length, notes: [] };
  },
};

/** Makes the tables of scores that other jobs have computed. @throws FarmError `incomplete`, naming the sequences that have none */
export const tableProgram: Program = {
  async run({ parameters }, { folder, storage, signal }) {
    const { argv, sequences } = parameters as unknown as TableParameters;
    const { plan, options } = planEval(argv);
    // Hidden: not part of the results.
    const results = join(folder, '.results');
    const scores = await fetchScores(storage, sequences, results);
    const { table } = await makeTables({
      plan,
      options,
      scores,
      results,
      out: folder,
      json: join(folder, 'frames.json'),
      signal,
    });
    await writeFile(join(folder, 'table.txt'), table);
    return { frames: 0, notes: [] };
  },
};

/**
 * The scores of sequences, and into a folder of each one's name what its run says of itself, such as the time it took.
 * @throws FarmError `incomplete`, naming the sequences that have no scores
 */
export async function fetchScores(
  storage: Storage,
  sequences: TableParameters['sequences'],
  results: string,
): Promise<Map<string, SequenceScores>> {
  const scores = new Map<string, SequenceScores>();
  const missing: string[] = [];
  for (const { name, track, score } of sequences) {
    const { state } = await Ledger.open(storage, score);
    const stored = state.done?.files.find(({ path }) => path === SCORES);
    const bytes = stored && (await storage.read(stored.object));
    if (!bytes) {
      missing.push(name);
      continue;
    }
    scores.set(name, JSON.parse(new TextDecoder().decode(bytes)));
    const run = (await Ledger.open(storage, track)).state.done?.files.find(({ path }) => path === `${name}/run.json`);
    if (!run) continue;
    await mkdir(join(results, name), { recursive: true });
    await storage.download(run.object, join(results, name, 'run.json'));
  }
  if (missing.length > 0) {
    throw new FarmError(
      'incomplete',
      'evaluation',
      `no scores of ${missing.join(', ')}: there is no table without them`,
    );
  }
  return scores;
}

/** The tables of `samtrack eval davis`, from scores. */
export const makeTables = ({
  plan,
  options,
  scores,
  ...rest
}: Pick<EvalFarmRun, 'plan' | 'options'> & {
  scores: ReadonlyMap<string, SequenceScores>;
  results: string;
  out?: string | undefined;
  json?: string | undefined;
  signal: AbortSignal;
}) =>
  runMetrics({
    ...rest,
    root: plan.root,
    year: plan.year,
    split: plan.split,
    resolution: options.resolution ?? '480p',
    compat: options.compat,
    sequences: [...scores.keys()],
    wholeSplit: plan.sequences === undefined,
    score: async ({ name }) => scores.get(name)!,
  });

/** Results of a job that must be complete. */
async function fetchComplete(storage: Storage, key: string, name: string, folder: string): Promise<void> {
  const { state } = await Ledger.open(storage, key);
  if (state.status !== 'done') {
    throw new FarmError('incomplete', name, state.reason ?? `what it builds on is ${state.status}`);
  }
  await mkdir(folder, { recursive: true });
  await fetchResults(storage, state, folder);
}

/** JSON would make null of them. */
function refuseNonNumbers(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`${key}: ${value} is no score`);
  return value;
}
