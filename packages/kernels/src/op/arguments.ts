/**
 * What arguments of an operation may be, for `takes` of `defineOp`.
 * @module
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';

/** An argument of an operation that it cannot take: of another kind or dtype, disposed, or unknown. Nothing was computed. */
export class OperandError extends Error {
  override readonly name = 'OperandError';
  constructor(
    readonly op: string,
    /** The argument or option at fault. */
    readonly argument: string,
    message: string,
  ) {
    super(`${op}: ${message}`);
  }
}

/** What is wrong with an argument. */
export interface Complaint {
  readonly argument: string;
  readonly message: string;
}

/** Looks at an argument. @returns nothing if it is right */
export type Check = (value: unknown, argument: string) => Complaint | undefined;

/** What something is, for a message. */
function said(value: unknown): string {
  if (isTensor(value)) return `one of ${value.dtype} [${value.shape.join(', ')}]`;
  if (typeof value === 'string') return `"${value}"`;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return 'an array';
  return value !== null && typeof value === 'object' ? 'an object' : String(value);
}

const isTensor = (value: unknown): value is TensorInfo =>
  typeof value === 'object' && (value as Partial<TensorInfo> | null)?.dataId !== undefined;

/** A check that wants something, and says so. */
const wanting =
  (right: (value: unknown) => boolean, wanted: string): Check =>
  (value, argument) =>
    right(value) ? undefined : { argument, message: `${argument} is to be ${wanted}, got ${said(value)}` };

/** A tensor, of some dtypes if they are named. */
export const tensorOf =
  (...dtypes: readonly TensorInfo['dtype'][]): Check =>
  (value, argument) => {
    const right = isTensor(value) && (dtypes.length === 0 || dtypes.includes(value.dtype));
    if (right && !(value as Partial<Tensor>).isDisposed) return undefined;
    if (right) return { argument, message: `${argument} was disposed` };
    const wanted = dtypes.length > 0 ? `a tensor of ${dtypes.join(' or ')}` : 'a tensor';
    const hint = isTensor(value) && dtypes.length === 1 ? `: cast it, tf.cast(${argument}, '${dtypes[0]}')` : '';
    return { argument, message: `${argument} is to be ${wanted}, got ${said(value)}${hint}` };
  };

/** A tensor of float32. */
export const float32: Check = tensorOf('float32');
/** A tensor of int32. */
export const int32: Check = tensorOf('int32');
/** A tensor of any dtype. */
export const anyTensor: Check = tensorOf();
/** A finite number. */
export const number: Check = wanting(Number.isFinite, 'a number');
/** True or false. */
export const boolean: Check = wanting((value) => typeof value === 'boolean', 'true or false');
/** A list of numbers. */
export const numbers: Check = wanting((value) => Array.isArray(value) && value.every(Number.isFinite), 'numbers');
/** Anything: the operation looks at it itself. */
export const anything: Check = () => undefined;

/** One of several words. */
export const oneOf = (words: readonly string[]): Check =>
  wanting((value) => words.includes(value as string), `one of ${words.join(', ')}`);

/** What may be left out. */
export const optional =
  (check: Check): Check =>
  (value, argument) =>
    value === undefined ? undefined : check(value, argument);

/** A list of such. */
export const listOf =
  (check: Check): Check =>
  (value, argument) => {
    if (!Array.isArray(value)) return { argument, message: `${argument} is to be a list, got ${said(value)}` };
    for (const [i, item] of value.entries()) {
      const complaint = check(item, `${argument}[${i}]`);
      if (complaint) return complaint;
    }
    return undefined;
  };

type Fields<T> = { readonly [Name in keyof Required<T>]: Check };

const notAnObject = (value: unknown, argument: string): Complaint | undefined =>
  typeof value !== 'object' || value === null || isTensor(value)
    ? { argument, message: `${argument} is to be an object, got ${said(value)}` }
    : undefined;

const NOTHING = {};

/** An object with these fields, whatever else it holds: a geometry, the weights of a layer. */
export const record = <T extends object>(checks: Fields<T>): Check => {
  const known = Object.entries<Check>(checks);
  return (value = NOTHING, argument) => {
    const complaint = notAnObject(value, argument);
    if (complaint) return complaint;
    for (const [name, check] of known) {
      const complaint = check((value as Record<string, unknown>)[name], name);
      if (complaint) return complaint;
    }
    return undefined;
  };
};

/** An object with these fields and no other: options, of which one that is misspelt would otherwise be passed over in silence. */
export const fields = <T extends object>(checks: Fields<T>): Check => {
  const known = new Map(Object.entries<Check>(checks));
  const needed = [...known].filter(([name, check]) => check(undefined, name));
  return (value = NOTHING, argument) => {
    const complaint = notAnObject(value, argument);
    if (complaint) return complaint;
    // Calls give few of many options.
    for (const name in value as object) {
      const check = known.get(name);
      if (!check) {
        return { argument: name, message: `${argument} has no \`${name}\`; there is ${[...known.keys()].join(', ')}` };
      }
      const complaint = check((value as Record<string, unknown>)[name], name);
      if (complaint) return complaint;
    }
    for (const [name, check] of needed) if (!(name in (value as object))) return check(undefined, name);
    return undefined;
  };
};

/** Options of an operation that has several kernels. */
export interface VariantOptions<Variant extends string> {
  /** Forces a kernel; for tests and benchmarks. */
  variant?: Variant | undefined;
}

/** The kernel that a call forces, if any; `Call.choose` looks whether there is one of that name. */
export const variant: Check = optional(wanting((value) => typeof value === 'string', 'the name of a kernel'));

/** Options of an operation that has no others. */
export const variantOptions: Check = fields<VariantOptions<string>>({ variant });
