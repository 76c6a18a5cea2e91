/** Plain-loop twin of `gatherRows`. */
export function gatherRowsReference(
  x: ArrayLike<number>,
  rows: ArrayLike<number>,
  columns: number,
  fill?: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(rows.length * columns);
  for (let i = 0; i < rows.length; i++) {
    for (let c = 0; c < columns; c++) {
      out[i * columns + c] = rows[i]! < 0 ? (fill?.[c] ?? 0) : x[rows[i]! * columns + c]!;
    }
  }
  return out;
}
