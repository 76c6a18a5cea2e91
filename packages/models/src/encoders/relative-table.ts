/**
 * A table of relative positions of another length, interpolated linearly with the ends of both half a step outside
 * (`align_corners=False`), as `get_rel_pos` of segment-anything does.
 *
 * @param values Flat [rows, width], at least one row.
 * @returns Flat [length, width]; `values` itself when it is as long.
 */
export function interpolateTable(
  values: Float32Array<ArrayBuffer>,
  width: number,
  length: number,
): Float32Array<ArrayBuffer> {
  const rows = values.length / width;
  if (rows === length) return values;
  const out = new Float32Array(length * width);
  for (let i = 0; i < length; i++) {
    const position = Math.max(0, ((i + 0.5) * rows) / length - 0.5);
    const low = Math.min(Math.floor(position), rows - 1);
    const high = Math.min(low + 1, rows - 1);
    const share = position - low;
    for (let c = 0; c < width; c++)
      out[i * width + c] = values[low * width + c]! * (1 - share) + values[high * width + c]! * share;
  }
  return out;
}
