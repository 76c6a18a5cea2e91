/**
 * One-to-one assignment of rows to columns with the largest total score; rows or columns are left over where the matrix is not square.
 *
 * Shortest augmenting paths (D. F. Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 2016), columns visited from the last,
 * a free column preferred among equals: where several assignments are best, it is SciPy's that comes out.
 * @param score `rows * columns` values, row by row
 * @returns pairs in ascending row order
 */
export function assignBest(score: ArrayLike<number>, rows: number, columns: number): { row: number; column: number }[] {
  // The algorithm needs at least as many columns as rows.
  if (columns < rows) {
    const transposed = Float64Array.from(
      { length: rows * columns },
      (_, i) => score[(i % rows) * columns + Math.floor(i / rows)]!,
    );
    return assignBest(transposed, columns, rows)
      .map(({ row, column }) => ({ row: column, column: row }))
      .sort((a, b) => a.row - b.row);
  }
  const cost = (row: number, column: number) => -score[row * columns + column]!;
  const rowPrice = new Float64Array(rows);
  const columnPrice = new Float64Array(columns);
  const columnOf = new Int32Array(rows).fill(-1);
  const rowOf = new Int32Array(columns).fill(-1);
  for (let start = 0; start < rows; start++) {
    const distance = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    const from = new Int32Array(columns).fill(-1);
    const seenRows = new Uint8Array(rows);
    const seenColumns = new Uint8Array(columns);
    const remaining = Int32Array.from({ length: columns }, (_, i) => columns - i - 1);
    let left = columns;
    let shortest = 0;
    let row = start;
    let sink = -1;
    while (sink < 0) {
      seenRows[row] = 1;
      let nearest = -1;
      let lowest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < left; i++) {
        const column = remaining[i]!;
        const reach = shortest + cost(row, column) - rowPrice[row]! - columnPrice[column]!;
        if (reach < distance[column]!) {
          distance[column] = reach;
          from[column] = row;
        }
        const d = distance[column]!;
        if (d < lowest || (d === lowest && rowOf[column] === -1)) {
          lowest = d;
          nearest = i;
        }
      }
      const column = remaining[nearest]!;
      shortest = lowest;
      seenColumns[column] = 1;
      remaining[nearest] = remaining[--left]!;
      if (rowOf[column] === -1) sink = column;
      else row = rowOf[column]!;
    }
    rowPrice[start]! += shortest;
    for (let r = 0; r < rows; r++) {
      if (r !== start && seenRows[r]) rowPrice[r]! += shortest - distance[columnOf[r]!]!;
    }
    for (let c = 0; c < columns; c++) if (seenColumns[c]) columnPrice[c]! -= shortest - distance[c]!;
    for (let column = sink; ; ) {
      const previous = from[column]!;
      rowOf[column] = previous;
      const next = columnOf[previous]!;
      columnOf[previous] = column;
      if (previous === start) break;
      column = next;
    }
  }
  return Array.from(columnOf, (column, row) => ({ row, column }));
}
