/** What a session failed at. */
export type SessionErrorCode =
  /** The project file is damaged, or of a newer version. */
  | 'corrupt'
  | 'version'
  /** The project belongs to another source, or its masks to another tracker. */
  | 'source-mismatch'
  | 'tracker-mismatch'
  | 'unknown-object'
  | 'locked-object'
  | 'too-many-objects'
  /** There is nothing to track, or no masks to start from. */
  | 'no-objects'
  | 'no-reference'
  | 'out-of-range'
  | 'bad-prompt'
  | 'bad-option'
  /** A text, box or point under which there is nothing. */
  | 'nothing-found'
  | 'no-segmenter'
  | 'no-detector'
  /** Masks that are neither stored nor can be computed again. */
  | 'missing-masks'
  | 'busy'
  | 'closed';

/** A session cannot do what was asked; it stays as it was. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  constructor(
    readonly code: SessionErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Of options that there are not, or that make no sense. */
export const badOption = (message: string): SessionError => new SessionError('bad-option', message);
