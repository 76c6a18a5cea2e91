import { normalisedError } from '@samtrack/kernels/common';

/** Normalised squared error allowed for features and for logits, and share of pixels whose labels must agree. */
export const FEATURE_LIMIT = 1e-7;
export const LOGIT_LIMIT = 1e-6;
const LABEL_LIMIT = 0.999;

/** How one intermediate compares with the published implementation's. */
export interface TapResult {
  readonly name: string;
  /** Normalised squared error, sum((a-b)^2)/sum(b^2); for labels the share of pixels that differ. */
  readonly error: number;
  readonly limit: number;
  readonly pass: boolean;
}

/** Taps that cannot be compared. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
}

/** Compares values; NaN fails. */
export function compareTap(name: string, actual: Float32Array, reference: Float32Array, limit: number): TapResult {
  if (actual.length !== reference.length) {
    throw new VerificationError(`Tap "${name}" has ${reference.length} values, the model computes ${actual.length}.`);
  }
  const error = normalisedError(actual, reference);
  return { name, error, limit, pass: error <= limit };
}

/** Compares label maps. */
export function compareLabels(name: string, actual: ArrayLike<number>, reference: ArrayLike<number>): TapResult {
  if (actual.length !== reference.length) {
    throw new VerificationError(`Tap "${name}" has ${reference.length} pixels, the model gives ${actual.length}.`);
  }
  let different = 0;
  for (let i = 0; i < reference.length; i++) if (actual[i] !== reference[i]) different++;
  const share = different / reference.length;
  const limit = 1 - LABEL_LIMIT;
  return { name, error: share, limit, pass: share <= limit };
}
