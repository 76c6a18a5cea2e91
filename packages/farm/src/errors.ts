/** What went wrong with a farm; the codes say who can mend it. */
export type FarmErrorCode =
  /** The queue's server cannot be reached. */
  | 'no-redis'
  /** The storage cannot be reached, or has no room: work waits. */
  | 'storage-away'
  | 'storage-full'
  /** The storage is not one, cannot do what is needed, or is another one than the job's. */
  | 'storage-unsuitable'
  /** What is stored is not what was written. */
  | 'storage-damaged'
  /** Another worker has taken the job over. */
  | 'fenced'
  | 'bad-spec'
  /** An input is not what it was when the job was submitted. */
  | 'changed-input'
  | 'not-found'
  /** A folder for results holds something else. */
  | 'not-empty'
  /** What a job builds on is not complete. */
  | 'incomplete';

/** `samtrack` shows errors with this property without a stack. */
const EXPECTED: unique symbol = Symbol.for('samtrack.expected-error') as never;

/** An error of a farm. */
export class FarmError extends Error {
  override readonly name = 'FarmError';
  readonly [EXPECTED] = true;

  /** @param subject the file, URL, option or job that it is about */
  constructor(
    readonly code: FarmErrorCode,
    readonly subject: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${subject}: ${message}`, options);
  }
}

export const isFarmError = (error: unknown, ...codes: FarmErrorCode[]): error is FarmError =>
  error instanceof FarmError && (codes.length === 0 || codes.includes(error.code));
