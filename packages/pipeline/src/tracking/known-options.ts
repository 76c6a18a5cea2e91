import { TrackingError } from './errors.js';

/** The options that a call has, all of them. */
export type KnownOptions<Options> = { readonly [Name in keyof Required<Options>]: true };

/**
 * Refuses options that a call does not have: one that is misspelt would otherwise be passed over in silence.
 * @param call What is called, for the message.
 * @throws TrackingError `bad-option`
 */
export function refuseUnknown<Options extends object>(
  call: string,
  given: Options,
  known: KnownOptions<Options>,
): void {
  // Programs in JavaScript give what they like.
  if (typeof given !== 'object' || given === null) {
    throw new TrackingError('bad-option', `${call} takes an object of options, not ${String(given)}`);
  }
  for (const name in given) {
    if (Object.hasOwn(known, name)) continue;
    throw new TrackingError(
      'bad-option',
      `${call} has no option \`${name}\`; there is ${Object.keys(known).join(', ')}`,
    );
  }
}
