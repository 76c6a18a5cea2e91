/** Plain-loop twin of `softmaxRows` in float64. */
export function softmaxReference(x: ArrayLike<number>, rows: number, columns: number, valid = columns): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    let highest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < valid; c++) highest = Math.max(highest, x[r * columns + c]!);
    let sum = 0;
    for (let c = 0; c < valid; c++) sum += out[r * columns + c] = Math.exp(x[r * columns + c]! - highest);
    for (let c = 0; c < valid; c++) out[r * columns + c]! /= sum;
  }
  return out;
}
