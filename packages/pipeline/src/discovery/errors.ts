/** What kept new objects from being looked for. */
export type DiscoveryErrorCode = 'bad-option' | 'size-mismatch';

/** New objects cannot be looked for. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
  /** @param subject the option or the candidate at fault */
  constructor(
    readonly code: DiscoveryErrorCode,
    readonly subject: string,
    message: string,
  ) {
    super(`${subject}: ${message}`);
  }
}
