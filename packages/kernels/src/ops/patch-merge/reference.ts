/** Plain-loop twin of `patchMerge`; `x` is [height, width, channels]. */
export function patchMergeReference(
  x: ArrayLike<number>,
  { height, width, channels }: { height: number; width: number; channels: number },
): Float64Array {
  const columns = Math.ceil(width / 2);
  const out = new Float64Array(Math.ceil(height / 2) * columns * 4 * channels);
  for (let y = 0; y < height; y++) {
    for (let px = 0; px < width; px++) {
      const token = Math.floor(y / 2) * columns + Math.floor(px / 2);
      const quarter = (y % 2) + 2 * (px % 2);
      for (let c = 0; c < channels; c++) {
        out[(token * 4 + quarter) * channels + c] = x[(y * width + px) * channels + c]!;
      }
    }
  }
  return out;
}
