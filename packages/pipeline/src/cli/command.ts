import { type ParseArgsConfig, parseArgs } from 'node:util';
import { DeviceError, DeviceLostError, KernelError, RuntimeInUseError } from '@samtrack/kernels';
import {
  CaptionError,
  CheckpointError,
  DetectorError,
  ImageError,
  OutOfBudgetError,
  Sam2Error,
  SamError,
  TrackerError,
} from '@samtrack/models';
import { VerificationError } from '@samtrack/models/verify';
import { OnnxEngineError } from '@samtrack/onnx';
import { WeightsError } from '@samtrack/weights';
import { DiscoveryError } from '../discovery/index.js';
import { EngineError } from '../engine/index.js';
import { FrameError, MaskError, OutputError, SourceError } from '../io/index.js';
import { EvaluationError } from '../metrics/index.js';
import { SessionError } from '../session/index.js';
import { TrackingError } from '../tracking/errors.js';
import { nearest } from './nearest.js';
import { MissingPackageError } from './optional.js';

/** A command of the `samtrack` program. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** @returns the exit status */
  run(argv: string[]): Promise<number>;
}

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;

type Parsed<Options extends OptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true; tokens: true }>
>;

/** The values of a command's options. */
export type OptionValues<Options extends OptionsConfig> = Parsed<Options>['values'];

/** A command line, read. */
export interface Arguments<Options extends OptionsConfig> {
  readonly options: OptionValues<Options>;
  readonly operands: readonly string[];
  /** As they stand in the line, in order. */
  readonly tokens: Parsed<Options>['tokens'];
  readonly argv: readonly string[];
}

/** What a command is. */
export interface CommandDefinition<Options extends OptionsConfig> extends Omit<Command, 'run'> {
  /** As `parseArgs` takes them; `--help` is added. */
  readonly options: Options;
  /** Whether it takes operands: words that are no options. */
  readonly operands?: boolean;
  /** Commands of its own, by their first word. */
  readonly subcommands?: readonly Command[];
  /** @returns the exit status */
  run(given: Arguments<Options>): Promise<number>;
}

/** A command whose line can be read without running it. */
export interface DefinedCommand<Options extends OptionsConfig> extends Command {
  /** @throws UsageError for options that there are not, and for values that are missing or too many */
  parse(argv: readonly string[]): Arguments<Options>;
}

/** Makes a command of its parts: the line is read, `--help` is answered. */
export function defineCommand<const Options extends OptionsConfig>({
  options,
  operands = false,
  subcommands = [],
  run,
  ...about
}: CommandDefinition<Options>): DefinedCommand<Options> {
  const known = { ...options, help: { type: 'boolean', short: 'h' } } as const;
  const read = (argv: readonly string[]) => {
    const { values, positionals, tokens } = asUsage(known, () =>
      parseArgs({ args: [...argv], options: known, allowPositionals: operands, tokens: true }),
    );
    return { options: values, operands: positionals, tokens, argv } as unknown as Arguments<Options> & {
      options: { help?: boolean };
    };
  };
  return {
    ...about,
    parse: read,
    run: async (argv) => {
      const subcommand = subcommands.find(({ name }) => name === argv[0]);
      if (subcommand) return subcommand.run(argv.slice(1));
      const given = read(argv);
      if (!given.options.help) return run(given);
      process.stdout.write(about.help);
      return 0;
    },
  };
}

/** Wrong usage: the message says what, the exit status is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What `parseArgs` refuses, as a UsageError of one line. */
function asUsage<T>(options: OptionsConfig, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error;
    const [, name = ''] = /'((?:-\w, )?--?[^\s'<]+)/.exec(message) ?? [];
    throw new UsageError(refusal(code, name, message, Object.keys(options)), { cause: error });
  }
}

function refusal(code: string, option: string, message: string, known: readonly string[]): string {
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const meant = nearest(option.replace(/^-+/, ''), known);
    return `there is no option ${option}${meant ? `; --${meant} is near it` : ''}`;
  }
  if (message.includes('is ambiguous')) {
    return `${option} needs a value; one that begins with "-" is written ${option}=-...`;
  }
  return message.includes('argument missing') ? `${option} needs a value` : message.split('\n')[0]!;
}

/** Errors that are the user's to mend: shown without a stack. */
const EXPECTED = [
  CaptionError,
  CheckpointError,
  DetectorError,
  DeviceError,
  DeviceLostError,
  DiscoveryError,
  EngineError,
  EvaluationError,
  FrameError,
  ImageError,
  KernelError,
  MaskError,
  OnnxEngineError,
  MissingPackageError,
  OutOfBudgetError,
  OutputError,
  RuntimeInUseError,
  SessionError,
  Sam2Error,
  SamError,
  SourceError,
  TrackerError,
  TrackingError,
  VerificationError,
  WeightsError,
];

/** Errors of packages that add commands say so themselves, with this symbol as a property. */
export const EXPECTED_ERROR = Symbol.for('samtrack.expected-error');

/** Whether an error speaks for itself. */
export const isExpected = (error: unknown): error is Error =>
  EXPECTED.some((type) => error instanceof type) || (error instanceof Error && EXPECTED_ERROR in error);

/**
 * A positive number from an option's text.
 * @throws UsageError
 */
export function positiveNumber(
  option: string,
  text: string | undefined,
  { whole = false }: { whole?: boolean } = {},
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY) || (whole && !Number.isInteger(value))) {
    throw new UsageError(`--${option} needs a positive ${whole ? 'whole ' : ''}number, not "${text}"`);
  }
  return value;
}

/**
 * A whole number from an option's text.
 * @throws UsageError
 */
export function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isInteger(value) || value < 0) throw new UsageError(`--${option} needs a whole number, not "${text}"`);
  return value;
}

/**
 * One of several words.
 * @throws UsageError
 */
export function oneOf<T extends string>(option: string, text: string | undefined, words: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  if (!words.includes(text as T)) throw new UsageError(`--${option} is one of ${words.join(', ')}, not "${text}"`);
  return text as T;
}

/**
 * Names with commas between them; as folders they may end in a slash, as shells complete them.
 * @throws UsageError where there are none, or one twice
 */
export function namesOf(option: string, text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const given = text
    .split(',')
    .map((name) => name.trim().replace(/\/+$/, ''))
    .filter(Boolean);
  if (given.length === 0) throw new UsageError(`--${option} needs names, with commas between them`);
  const twice = given.find((name, i) => given.indexOf(name) < i);
  if (twice !== undefined) throw new UsageError(`--${option} names ${twice} twice`);
  return given;
}

/** Names for the text of a help, with commas between them, in lines of at most 116 characters that begin at a column. */
export function listed(names: readonly string[], column: number): string {
  const lines: string[] = [''];
  for (const [i, name] of names.entries()) {
    const word = i + 1 < names.length ? `${name},` : name;
    const line = lines.at(-1)!;
    if (line === '') lines[lines.length - 1] = word;
    else if (column + line.length + word.length + 1 <= 116) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${' '.repeat(column)}`);
}
