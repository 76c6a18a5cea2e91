/** What kept an evaluation from being computed. */
export type EvaluationErrorCode =
  | 'not-found'
  | 'missing-result'
  | 'bad-result'
  | 'unreadable'
  | 'no-frames'
  | 'no-objects'
  | 'size-mismatch'
  | 'too-many-objects'
  | 'bad-option';

/** Results cannot be scored. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
  /** @param subject the sequence, `sequence/frame`, file or option at fault */
  constructor(
    readonly code: EvaluationErrorCode,
    readonly subject: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${subject}: ${message}`, options);
  }
}
