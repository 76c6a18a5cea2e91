/** The value below which a share `q` (0..1) of the values lie, interpolated linearly. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('a quantile of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** What repeated measurements of one thing say about it. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly p95: number;
  /** Distance of the quartiles as a share of the median. */
  readonly spread: number;
  readonly samples: number;
}

export function summarise(values: readonly number[]): Summary {
  const middle = median(values);
  return {
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    p95: quantile(values, 0.95),
    spread: middle === 0 ? 0 : (quantile(values, 0.75) - quantile(values, 0.25)) / middle,
    samples: values.length,
  };
}
