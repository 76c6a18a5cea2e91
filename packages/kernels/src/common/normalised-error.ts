/**
 * Normalised squared error, sum((a - b)^2) / sum(b^2); the plain sum where the reference is all zero. Infinite for values that are no
 * numbers, and for another length.
 */
export function normalisedError(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (actual.length !== reference.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < reference.length; i++) {
    const difference = actual[i]! - reference[i]!;
    error += difference * difference;
    norm += reference[i]! * reference[i]!;
  }
  const normalised = norm > 0 ? error / norm : error;
  return Number.isNaN(normalised) ? Number.POSITIVE_INFINITY : normalised;
}
