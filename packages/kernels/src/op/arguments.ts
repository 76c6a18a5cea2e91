import { Tensor, type TensorInfo } from '@tensorflow/tfjs-core';

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
  typeof value === 'object' && value !== null && 'dataId' in value && 'dtype' in value;

/** A check that wants something, and says so. */
const wanting =
  (right: (value: unknown) => boolean, wanted: string): Check =>
  (value, argument) =>
    right(value) ? undefined : { argument, message: `${argument} is to be ${wanted}, got ${said(value)}` };

/** A tensor, of some dtypes if they are named. */
export const tensorOf =
  (...dtypes: readonly TensorInfo['dtype'][]): Check =>
  (value, argument) => {
    if (value instanceof Tensor && value.isDisposed) return { argument, message: `${argument} was disposed` };
    if (isTensor(value) && (dtypes.length === 0 || dtypes.includes(value.dtype))) return undefined;
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

/** An object with these fields, whatever else it holds: a geometry, the weights of a layer. */
export const record =
  <T extends object>(checks: Fields<T>): Check =>
  (value = {}, argument) => {
    if (typeof value !== 'object' || value === null || isTensor(value)) {
      return { argument, message: `${argument} is to be an object, got ${said(value)}` };
    }
    for (const name in checks) {
      const complaint = checks[name]((value as Record<string, unknown>)[name], name);
      if (complaint) return complaint;
    }
    return undefined;
  };

/** An object with these fields and no other: options, of which one that is misspelt would otherwise be passed over in silence. */
export const fields =
  <T extends object>(checks: Fields<T>): Check =>
  (value, argument) => {
    if (typeof value === 'object' && value !== null && !isTensor(value)) {
      for (const name in value) {
        if (name in checks) continue;
        const message = `${argument} has no \`${name}\`; there is ${Object.keys(checks).join(', ')}`;
        return { argument: name, message };
      }
    }
    return record<T>(checks)(value, argument);
  };

/** The tensors in arguments or results, however deep in lists and objects. */
export function tensorsIn(values: unknown, found: Tensor[] = []): Tensor[] {
  if (values instanceof Tensor) found.push(values);
  else if (Array.isArray(values)) for (const value of values) tensorsIn(value, found);
  else if (typeof values === 'object' && values !== null && !ArrayBuffer.isView(values)) {
    for (const value of Object.values(values)) tensorsIn(value, found);
  }
  return found;
}

/** The kernel that a call forces, if any; `Call.choose` looks whether there is one of that name. */
export const variant: Check = optional(wanting((value) => typeof value === 'string', 'the name of a kernel'));
