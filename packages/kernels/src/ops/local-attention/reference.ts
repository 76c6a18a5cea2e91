/** Plain-loop twin of `localGatedAttention` in float64, for one value. `relative` has `relativeStride` terms a token. */
export function localGatedAttentionReference(
  query: ArrayLike<number>,
  key: ArrayLike<number>,
  relative: ArrayLike<number>,
  values: ArrayLike<number>,
  gate: ArrayLike<number> | undefined,
  shape: {
    height: number;
    width: number;
    window: number;
    depth: number;
    channels: number;
    relativeStride: number;
    scale: number;
  },
): Float64Array {
  const { height, width, window, depth, channels, relativeStride, scale } = shape;
  const radius = (window - 1) / 2;
  const out = new Float64Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const token = y * width + x;
      const weights: number[] = [];
      const positions: number[] = [];
      for (let dy = -radius; dy <= radius; dy++) {
        for (let dx = -radius; dx <= radius; dx++) {
          if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
          const position = (y + dy) * width + x + dx;
          let dot = 0;
          for (let d = 0; d < depth; d++) dot += query[token * depth + d]! * key[position * depth + d]!;
          weights.push(dot * scale + relative[token * relativeStride + (dy + radius) * window + dx + radius]!);
          positions.push(position);
        }
      }
      const highest = Math.max(...weights);
      const exponentials = weights.map((w) => Math.exp(w - highest));
      const sum = exponentials.reduce((a, b) => a + b);
      for (let c = 0; c < channels; c++) {
        let value = 0;
        positions.forEach((position, i) => {
          value += exponentials[i]! * values[position * channels + c]!;
        });
        out[token * channels + c] = (value / sum) * (gate?.[token * channels + c] ?? 1);
      }
    }
  }
  return out;
}
