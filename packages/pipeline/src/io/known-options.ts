/** What an option may be, beside left out. */
export interface OptionCheck {
  /** In words, for the message. */
  readonly wanted: string;
  fits(value: unknown): boolean;
}

/** The options that a call has, all of them: what each may be, or `true` where something else looks at it. */
export type KnownOptions<Options> = { readonly [Name in keyof Required<Options>]: true | OptionCheck };

export const POSITIVE: OptionCheck = {
  wanted: 'a number above 0',
  fits: (value) => typeof value === 'number' && value > 0,
};
export const POSITIVE_INTEGER: OptionCheck = {
  wanted: 'a whole number above 0',
  fits: (value) => Number.isSafeInteger(value) && (value as number) > 0,
};
export const FRAME_RATE: OptionCheck = {
  wanted: 'a frame rate above 0 and up to 1000',
  fits: (value) => POSITIVE.fits(value) && (value as number) <= 1000,
};
export const TEXT: OptionCheck = { wanted: 'a text', fits: (value) => typeof value === 'string' && value !== '' };
export const LIST: OptionCheck = { wanted: 'a list', fits: Array.isArray };
export const FRAMES_OR_NEVER: OptionCheck = {
  wanted: 'a whole number of frames above 0, or Infinity',
  fits: (value) => value === Number.POSITIVE_INFINITY || POSITIVE_INTEGER.fits(value),
};
export const INTEGER: OptionCheck = { wanted: 'a whole number', fits: Number.isSafeInteger };
export const FRAME_INDEX: OptionCheck = {
  wanted: 'the index of a frame',
  fits: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};
export const FUNCTION: OptionCheck = { wanted: 'a function', fits: (value) => typeof value === 'function' };
export const BOOLEAN: OptionCheck = { wanted: 'true or false', fits: (value) => typeof value === 'boolean' };
export const SIGNAL: OptionCheck = hasMethod('an AbortSignal', 'throwIfAborted');

/** One of some names. */
export const oneOf = (...names: readonly string[]): OptionCheck => ({
  wanted: `one of ${names.join(', ')}`,
  fits: (value) => names.some((name) => name === value),
});

/** What fits one of two. */
export const either = (a: OptionCheck, b: OptionCheck): OptionCheck => ({
  wanted: `${a.wanted} or ${b.wanted}`,
  fits: (value) => a.fits(value) || b.fits(value),
});

/** An object that has a method, of whatever class it is. */
export function hasMethod(wanted: string, method: string): OptionCheck {
  const fits = (value: unknown) =>
    typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function';
  return { wanted, fits };
}

/**
 * Refuses options that a call does not have, since one that is misspelt would otherwise be passed over in silence, and values that are
 * none of an option, as programs in JavaScript may give them.
 * @param call What is called, for the message.
 * @param errorOf The call's own error with a message, which is thrown.
 */
export function checkOptions<Options extends object>(
  call: string,
  given: Options,
  known: KnownOptions<Options>,
  errorOf: (message: string) => Error,
): void {
  if (typeof given !== 'object' || given === null) {
    throw errorOf(`${call} takes an object of options, not ${String(given)}`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(known, name)) {
      const names = Object.keys(known).join(', ');
      throw errorOf(`${call} has no option \`${name}\`; there is ${names}`);
    }
    const check = known[name as keyof Options];
    if (value === undefined || check === true || check.fits(value)) continue;
    throw errorOf(`\`${name}\` of ${call} is ${check.wanted}, not ${inWords(value)}`);
  }
}

const inWords = (value: unknown): string =>
  typeof value === 'string' ? `"${value}"` : typeof value === 'object' && value !== null ? 'an object' : String(value);
