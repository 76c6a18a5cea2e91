/** `samtrack weights`: the catalogue of official checkpoints, and looking into, checking and converting checkpoint files. */
import { existsSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { describeArchitecture, type TensorInfo } from '@samtrack/models/checkpoint';
import { type CatalogEntry, catalog, findEntry } from '@samtrack/weights';
import { cacheFolder, convert, inspect, pull, verify } from '@samtrack/weights/node';
import { type Arguments, defineCommand, type OptionValues, oneOf, UsageError } from '../command.js';

const HELP = `Usage: samtrack weights <command>

Commands:
  list             official checkpoints: name, size, licence, published scores, and whether they are in the cache
  pull NAME...     download into the cache; resumes what was interrupted, checks size and hash
  inspect FILE     format, dtypes, number of tensors and values, detected model (reads the header only)
  verify FILE|NAME read everything: hash against the catalogue, model, number of tensors, finite values
  convert FILE     write as safetensors, for web hosting

Options:
  --cache DIR      folder of downloads (list, pull, verify); default $SAMTRACK_CACHE or the user's cache folder
  --force          pull: download again what is in the cache
  --keys           inspect: also print every key with dtype and shape
  --json           list, inspect, verify: print JSON
  --as NAME        verify: the catalogue entry the file should be; default: the one of its hash or file name
  --out FILE       convert: the result; default: the input's name with .safetensors
  --dtype TYPE     convert: f32 (default) or f16, which concerns matrices only
  -h, --help       print this

FILE may be .safetensors, .pth (PyTorch zip or legacy) or a procedural manifest (.json); the content decides.
Downloads go through the proxy of HTTPS_PROXY or HTTP_PROXY, except for hosts in NO_PROXY.
Exit status: 0 all is well, 1 a failure or a bad file, 2 wrong usage, 130 stopped by Ctrl-C.
`;

const OPTIONS = {
  cache: { type: 'string' },
  force: { type: 'boolean' },
  keys: { type: 'boolean' },
  json: { type: 'boolean' },
  as: { type: 'string' },
  out: { type: 'string' },
  dtype: { type: 'string' },
} as const;

type Options = OptionValues<typeof OPTIONS>;

interface Subcommand {
  /** Options it understands; any other is wrong usage. */
  readonly options: readonly (keyof typeof OPTIONS)[];
  /** How many operands it takes. */
  readonly operands: readonly [least: number, most: number];
  run(operands: string[], options: Options, signal: AbortSignal): Promise<number>;
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  list: { options: ['cache', 'json'], operands: [0, 0], run: runList },
  pull: { options: ['cache', 'force'], operands: [1, Number.POSITIVE_INFINITY], run: runPull },
  inspect: { options: ['keys', 'json'], operands: [1, 1], run: runInspect },
  verify: { options: ['cache', 'as', 'json'], operands: [1, 1], run: runVerify },
  convert: { options: ['out', 'dtype'], operands: [1, 1], run: runConvert },
};

export const weightsCommand = defineCommand({
  name: 'weights',
  summary: 'list, download, inspect, verify and convert model weights',
  help: HELP,
  options: OPTIONS,
  operands: true,
  run,
});

/** Results go to stdout, progress and errors to stderr. */
async function run({ options, operands: [name, ...operands] }: Arguments<typeof OPTIONS>): Promise<number> {
  const subcommand = chosen(name, operands, options);
  const controller = new AbortController();
  const stop = (): void => controller.abort(new Error('stopped'));
  process.once('SIGINT', stop);
  try {
    return await subcommand.run(operands, options, controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    process.stderr.write('\nStopped. What was downloaded is kept; the same command resumes.\n');
    return 130;
  } finally {
    process.off('SIGINT', stop);
  }
}

/** The command that is asked for. @throws UsageError */
function chosen(name: string | undefined, operands: readonly string[], options: Options): Subcommand {
  if (name === undefined) throw new UsageError('a command is missing');
  const command = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name]! : undefined;
  if (!command) throw new UsageError(`there is no command "${name}"`);
  const stray = (Object.keys(options) as (keyof Options)[]).find((option) => !command.options.includes(option));
  if (stray) throw new UsageError(`${name} has no option --${stray}`);
  const [least, most] = command.operands;
  if (operands.length < least) {
    throw new UsageError(`${name} needs ${least === most ? '' : 'at least '}${least} name or file`);
  }
  if (operands.length > most) {
    throw new UsageError(`${name} takes ${most || 'no'} operand${most === 1 ? '' : 's'}, not ${operands.length}`);
  }
  oneOf('dtype', options.dtype, ['f32', 'f16']);
  return command;
}

async function runList(_operands: string[], options: Options): Promise<number> {
  const folder = options.cache ?? cacheFolder();
  const rows = catalog.map((entry) => ({ ...entry, cached: existsSync(join(folder, entry.file)) }));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return 0;
  }
  const table = rows.map((row) => [
    row.id,
    row.size ? megabytes(row.size) : 'size unknown',
    row.licence,
    row.cached ? 'in cache' : '',
    row.scores.map(({ dataset, metric, value }) => `${dataset} ${metric} ${value.toFixed(1)}`).join('; '),
  ]);
  process.stdout.write(`${columns(table)}\n\nCache: ${folder}\n`);
  return 0;
}

async function runPull(names: string[], options: Options, signal: AbortSignal): Promise<number> {
  // All names are looked up first: a slip in the last one should not show after an hour.
  const entries = names.map((name) => findEntry(name));
  for (const entry of entries) {
    const progress = progressLine(entry.id);
    const result = await pull(entry, {
      folder: options.cache,
      force: options.force,
      signal,
      onProgress: ({ bytes, total }) => progress.update(bytes, total),
    }).finally(progress.end);
    const how = result.cached ? 'was in the cache' : `${megabytes(result.bytes)} downloaded`;
    const check = result.hashChecked ? 'hash checked' : `no hash is known; SHA-256 ${result.sha256}`;
    process.stdout.write(`${entry.id}: ${result.path} (${how}, ${check})\n`);
  }
  return 0;
}

async function runInspect([file]: string[], options: Options, signal: AbortSignal): Promise<number> {
  const result = await inspect(file!, { signal });
  const { architecture, problem } = result;
  const model = problem ?? (architecture ? describeArchitecture(architecture) : 'unknown');
  if (options.json) {
    const tensors = options.keys ? result.tensors : result.tensors.length;
    const value = { ...result, dtypes: Object.fromEntries(result.dtypes), tensors, model };
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  } else {
    const dtypes = [...result.dtypes].map(([dtype, count]) => `${count} ${dtype}`).join(', ');
    const table = [
      ['file', file!],
      ['format', result.format],
      ['size', megabytes(result.bytes)],
      ['tensors', `${result.tensors.length} (${dtypes})`],
      ['values', `${result.values.toLocaleString('en')} (${(result.values / 1e6).toFixed(2)} M)`],
      ['model', model],
      ...Object.entries(result.metadata),
    ];
    process.stdout.write(`${columns(table)}\n`);
    if (options.keys) process.stdout.write(`\n${keysTable(result.tensors)}\n`);
  }
  return problem ? 1 : 0;
}

async function runVerify([name]: string[], options: Options, signal: AbortSignal): Promise<number> {
  const entry: CatalogEntry | undefined = options.as === undefined ? undefined : findEntry(options.as);
  const path = cachedFile(name!, options.cache) ?? name!;
  const progress = progressLine(basename(path));
  const result = await verify(path, { entry, signal, onProgress: progress.update }).finally(progress.end);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ...result, entry: result.entry?.id }, null, 2)}\n`);
  } else {
    const hash = {
      true: 'as in the catalogue',
      false: 'NOT that of the catalogue',
      undefined: 'none is known to compare',
    };
    const table = [
      ['file', result.file],
      ['is', result.entry?.title ?? 'not in the catalogue'],
      ['sha256', `${result.sha256} (${hash[`${result.hashMatches}`]})`],
      ['model', result.architecture ? describeArchitecture(result.architecture) : 'unknown'],
      ...result.problems.map((problem) => ['problem', problem]),
      ['result', result.problems.length ? 'BAD' : 'good'],
    ];
    process.stdout.write(`${columns(table)}\n`);
  }
  return result.problems.length ? 1 : 0;
}

/** Where the cache has the entry called so; a file of that name on disk goes first. */
function cachedFile(name: string, folder: string | undefined): string | undefined {
  const entry = catalog.find(({ id }) => id === name);
  return entry && !existsSync(name) ? join(folder ?? cacheFolder(), entry.file) : undefined;
}

async function runConvert([input]: string[], options: Options, signal: AbortSignal): Promise<number> {
  const dtype = (options.dtype ?? 'f32') as 'f32' | 'f16';
  const name = basename(input!, extname(input!));
  const output = options.out ?? join(dirname(input!), `${name}${dtype === 'f16' ? '.f16' : ''}.safetensors`);
  if (existsSync(output)) {
    process.stderr.write(`samtrack weights: ${output} exists already; choose another name with --out\n`);
    return 1;
  }
  const result = await convert(input!, output, { dtype, signal });
  process.stdout.write(`${result.path}: ${result.tensors} tensors, ${megabytes(result.bytes)}\n`);
  for (const key of result.keptF32) process.stdout.write(`kept in f32, its values exceed float16: ${key}\n`);
  return 0;
}

function keysTable(tensors: readonly TensorInfo[]): string {
  return columns(tensors.map(({ key, dtype, shape }) => [key, dtype, `[${shape.join(', ')}]`]));
}

/** Rows with aligned columns. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A line on stderr that is rewritten in a terminal; elsewhere one line for every tenth. */
function progressLine(label: string): { update: (bytes: number, total: number | undefined) => void; end: () => void } {
  const terminal = process.stderr.isTTY;
  const started = performance.now();
  let first: number | undefined;
  let tenth = -1;
  let shown = false;
  const update = (bytes: number, total: number | undefined): void => {
    first ??= bytes;
    const share = total ? bytes / total : undefined;
    if (!terminal && (share === undefined || Math.floor(share * 10) === tenth)) return;
    tenth = Math.floor((share ?? 0) * 10);
    const seconds = (performance.now() - started) / 1000;
    const speed = seconds > 0.5 ? `, ${megabytes((bytes - first) / seconds)}/s` : '';
    const percent = share === undefined ? '' : ` of ${megabytes(total!)} (${Math.floor(share * 100)} %)`;
    shown = true;
    process.stderr.write(
      `${terminal ? '\r\x1b[K' : ''}${label}: ${megabytes(bytes)}${percent}${speed}${terminal ? '' : '\n'}`,
    );
  };
  return { update, end: () => void (terminal && shown && process.stderr.write('\n')) };
}
