/** Plain-loop twin of `resizeBilinear` in float64, scales included; `x` is [height, width, channels]. */
export function resizeBilinearReference(
  x: ArrayLike<number>,
  shape: { height: number; width: number; channels: number; outHeight: number; outWidth: number },
  options: { alignCorners?: boolean; residual?: ArrayLike<number> } = {},
): Float64Array {
  const { height, width, channels, outHeight, outWidth } = shape;
  const taps = (i: number, input: number, output: number) => {
    const source = options.alignCorners
      ? output > 1
        ? (i * (input - 1)) / (output - 1)
        : 0
      : Math.max(0, ((i + 0.5) * input) / output - 0.5);
    const first = Math.min(Math.floor(source), input - 1);
    return { first, second: Math.min(first + 1, input - 1), fraction: source - first };
  };
  const out = new Float64Array(outHeight * outWidth * channels);
  for (let oy = 0; oy < outHeight; oy++) {
    const y = taps(oy, height, outHeight);
    for (let ox = 0; ox < outWidth; ox++) {
      const column = taps(ox, width, outWidth);
      for (let c = 0; c < channels; c++) {
        const at = (row: number, px: number) => x[(row * width + px) * channels + c]!;
        const along = (row: number) =>
          (1 - column.fraction) * at(row, column.first) + column.fraction * at(row, column.second);
        const index = (oy * outWidth + ox) * channels + c;
        out[index] =
          (1 - y.fraction) * along(y.first) + y.fraction * along(y.second) + (options.residual?.[index] ?? 0);
      }
    }
  }
  return out;
}
