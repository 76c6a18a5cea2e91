import { DeviceError, DeviceLostError, KernelError, RuntimeInUseError } from '@samtrack/kernels';
import {
  CaptionError,
  CheckpointError,
  DetectorError,
  ImageError,
  OutOfBudgetError,
  SamError,
  TrackerError,
  VerificationError,
} from '@samtrack/models';
import { OnnxEngineError } from '@samtrack/onnx';
import { WeightsError } from '@samtrack/weights';
import { DiscoveryError } from '../discovery/index.js';
import { EngineError } from '../engine/index.js';
import { FrameError, MaskError, OutputError, SourceError } from '../io/index.js';
import { EvaluationError } from '../metrics/index.js';
import { SessionError } from '../session/index.js';
import { TrackingError } from '../tracking/errors.js';
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

/** Wrong usage: the message says what, the exit status is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
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
