/**
 * A store of measurements that cannot be used. Nothing depends on one, so those who load it carry on without.
 * `corrupt`: not what is written there. `alien`: of another adapter. `unreadable`, `unwritable`: the system refused.
 */
export class TuningError extends Error {
  override readonly name = 'TuningError';
  constructor(
    readonly code: 'corrupt' | 'alien' | 'unreadable' | 'unwritable',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
