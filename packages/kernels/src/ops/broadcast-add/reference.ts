/** Plain-loop twin of `broadcastAdd` in float64. */
export const broadcastAddReference = (x: ArrayLike<number>, y: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: x.length }, (_, i) => x[i]! + y[i % y.length]!);
