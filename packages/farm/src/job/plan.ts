/** From arguments of commands to jobs: paths become absolute, files count by what is in them. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type EvalFarmRun, PROMPT_OPTIONS, planTrack, trackCommand, UsageError, version } from 'samtrack/cli';
import { openSource } from 'samtrack/io';
import { davisSequences } from 'samtrack/metrics';
import { digestOf, type Input, type JobSpec, type Json, keyOf } from './spec.js';

/** Options that say where results go or what is said on the way, not what results are. */
const NOT_IDENTITY = [
  ...['out', 'results', 'resume', 'overwrite', 'quiet', 'help', 'json', 'jobs', 'run'],
  ...['engine', 'threads', 'adapter'],
];
/** Those of where a farm is. */
const FARM_OPTIONS = ['farm', 'redis', 'storage', 'queue', 'sequences', 'split'];
/** Options that may name a file. */
const FILE_OPTIONS = ['mask', 'weights', 'segmenter', 'detector', 'prompts'];

type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The jobs of an evaluation: the table waits for the scores, each of them for the masks of its sequence. */
export interface DavisJobs {
  table: JobSpec;
  sequences: { score: JobSpec; track: JobSpec }[];
}

/** Makes jobs; digests of files that many jobs share are computed once. */
export class Planner {
  readonly #digests = new Map<string, Promise<string>>();

  /**
   * A job that does what `samtrack track` does with these arguments, without `--out`.
   * @throws UsageError; FarmError `not-found`
   */
  async track(argv: readonly string[], name?: string): Promise<JobSpec> {
    const { input, options, settings, segmenter, detector, shown } = planTrack([...argv]);
    const unfit = (['preview', 'project'] as const).find((name) => options[name] !== undefined);
    if (unfit) throw new UsageError(`--${unfit} does not go with a farm`);
    const workers = (['engine', 'threads', 'adapter'] as const).find((name) => options[name] !== undefined);
    if (workers) {
      throw new UsageError(
        `--${workers} is the workers' matter: samtrack worker --${workers}, or $SAMTRACK_ENGINE where they are`,
      );
    }
    const source = resolve(input);
    const inputs = new Inputs((path) => this.#digest(path));
    const content: Json = await this.#source(source, options, inputs);
    const identity: Json = {
      version: version(),
      source: content,
      weights: await inputs.add(settings.weights),
      ...(segmenter && { segmenter: await inputs.add(segmenter.weights) }),
      ...(detector && { detector: await inputs.add(detector.weights) }),
      ...(shown && { prompts: JSON.parse(JSON.stringify(shown)) }),
      options: await identityOf(options, inputs, Object.keys(PROMPT_OPTIONS)),
    };
    if (options.prompts) await inputs.add(options.prompts);
    const { tokens } = trackCommand.parse(argv);
    return {
      kind: 'track',
      name: name ?? options.sequence ?? input.replace(/\/+$/, '').split('/').at(-1)!,
      identity,
      parameters: {
        argv: [
          source,
          ...tokens.flatMap((token) => (token.kind === 'option' ? argumentOf(token.name, token.value) : [])),
        ],
      },
      inputs: inputs.list,
    };
  }

  /**
   * The jobs of `samtrack eval davis --run` with these arguments, and with the year that the annotations tell.
   * @throws UsageError; FarmError `not-found`; EvaluationError
   */
  async davis({ plan, options }: Pick<EvalFarmRun, 'plan' | 'options'>): Promise<DavisJobs> {
    const root = resolve(plan.root);
    const resolution = options.resolution ?? '480p';
    const { year, split } = plan;
    const names = await davisSequences({ root, results: '', year, split, resolution, sequences: plan.sequences });
    const shared = new Inputs((path) => this.#digest(path));
    const model: Json = {
      version: version(),
      weights: await shared.add(plan.settings!.weights),
      ...(plan.clicks && { segmenter: await shared.add(plan.clicks.weights) }),
      options: await identityOf(
        { ...options, year: String(year), root: undefined, compat: undefined },
        shared,
        FARM_OPTIONS,
      ),
    };
    // `--results` is there so that `--run` decides whether something is tracked, on workers too.
    const given = Object.entries({ ...options, root, year: String(year) }).filter(
      ([option]) => !FARM_OPTIONS.includes(option),
    );
    const args = ['davis', '--run', '--results=results', ...given.flatMap(([name, value]) => argumentOf(name, value))];
    const sequences: { score: JobSpec; track: JobSpec }[] = [];
    for (const name of names) {
      const annotations = join(root, 'Annotations', resolution, name);
      const pictures = new Inputs((path) => this.#digest(path), shared.list);
      const track: JobSpec = {
        kind: 'davis',
        name,
        identity: {
          ...model,
          name,
          pictures: await pictures.add(join(root, 'JPEGImages', resolution, name)),
          annotations: await pictures.add(annotations),
        },
        parameters: { argv: args, sequence: name },
        inputs: pictures.list,
      };
      const truth = new Inputs((path) => this.#digest(path));
      const score: JobSpec = {
        kind: 'score',
        name: `${name} scores`,
        identity: {
          version: version(),
          track: keyOf(track),
          annotations: await truth.add(annotations),
          compat: options.compat ?? false,
        },
        parameters: { argv: args, sequence: name, track: keyOf(track) },
        inputs: truth.list,
      };
      sequences.push({ score, track });
    }
    const table: JobSpec = {
      kind: 'table',
      name: `davis ${year} ${split}`,
      identity: { version: version(), scores: sequences.map(({ score }) => keyOf(score)), split },
      parameters: {
        argv: args,
        sequences: sequences.map(({ score, track }, i) => ({
          name: names[i]!,
          track: keyOf(track),
          score: keyOf(score),
        })),
      },
      inputs: [],
    };
    return { table, sequences };
  }

  async #source(path: string, options: Values & { sequence?: string }, inputs: Inputs): Promise<Json> {
    const { sequence } = options;
    const picture = sequence ? join(path, 'JPEGImages', '480p', sequence) : path;
    const content = await inputs.add(picture);
    if (options.mask || options.mode === 'automatic' || Object.keys(PROMPT_OPTIONS).some((name) => options[name])) {
      return content;
    }
    // Where nothing says what to track, the source's own annotation does.
    const source = await openSource(path, { sequence });
    await source.close();
    if (!source.annotations) {
      throw new UsageError(`${path}: nothing says what to track: --mask FILE, prompts such as --point X,Y, or --mode`);
    }
    return [content, await inputs.add(source.annotations)];
  }

  #digest(path: string): Promise<string> {
    let digest = this.#digests.get(path);
    if (!digest) this.#digests.set(path, (digest = digestOf(path)));
    return digest;
  }
}

/** What a job reads. */
class Inputs {
  readonly list: Input[];

  constructor(
    private readonly digest: (path: string) => Promise<string>,
    inputs: readonly Input[] = [],
  ) {
    this.list = [...inputs];
  }

  async add(file: string): Promise<string> {
    const path = resolve(file);
    const sha256 = await this.digest(path);
    if (!this.list.some((input) => input.path === path)) this.list.push({ path, sha256 });
    return sha256;
  }
}

/** Options as part of a job's identity: files by their digests. */
async function identityOf(options: Values, inputs: Inputs, without: readonly string[] = []): Promise<Json> {
  const identity: Record<string, Json> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || NOT_IDENTITY.includes(name) || without.includes(name)) continue;
    // A mask is always a file, so that one that is not there is found missing.
    const file = typeof value === 'string' && (name === 'mask' || (FILE_OPTIONS.includes(name) && isFile(value)));
    identity[name] = file ? { sha256: await inputs.add(value) } : (value as Json);
  }
  return identity;
}

/** An option again, with an absolute path. */
function argumentOf(name: string, value: string | boolean | undefined): string[] {
  if (value === false || NOT_IDENTITY.includes(name)) return [];
  if (value === undefined || value === true) return [`--${name}`];
  return [`--${name}=${FILE_OPTIONS.includes(name) && isFile(value) ? resolve(value) : value}`];
}
