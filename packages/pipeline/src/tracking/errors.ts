/** What a tracker was asked that makes no sense. */
export type TrackingErrorCode =
  /** There is no tracker or model of that name. */
  | 'unknown-model'
  /** No weights of the model come with samtrack here, and none were given. */
  | 'no-weights'
  /** There is no option of that name, or it cannot be what was given. */
  | 'bad-option'
  /** Nothing says what to track. */
  | 'no-masks'
  /** Another run has begun with the tracker, which remembers what that one shows it. */
  | 'in-use'
  /** The tracker was disposed. */
  | 'disposed';

/** A tracker that cannot be loaded or used as it was asked for. */
export class TrackingError extends Error {
  override readonly name = 'TrackingError';
  constructor(
    readonly code: TrackingErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Of options that there are not, or that make no sense. */
export const badOption = (message: string): TrackingError => new TrackingError('bad-option', message);
