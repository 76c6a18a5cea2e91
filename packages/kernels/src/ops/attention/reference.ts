/** Plain-loop twin of `gatedAttention` in float64, for one value; keys are [depth, capacity]. */
export function gatedAttentionReference(
  query: ArrayLike<number>,
  keys: ArrayLike<number>,
  values: ArrayLike<number>,
  gate: ArrayLike<number> | undefined,
  shape: { tokens: number; depth: number; capacity: number; validKeys: number; channels: number; scale: number },
): Float64Array {
  const { tokens, depth, capacity, validKeys, channels, scale } = shape;
  const out = new Float64Array(tokens * channels);
  for (let t = 0; t < tokens; t++) {
    const weights = Float64Array.from({ length: validKeys }, (_, j) => {
      let dot = 0;
      for (let d = 0; d < depth; d++) dot += query[t * depth + d]! * keys[d * capacity + j]!;
      return dot * scale;
    });
    const highest = weights.reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (let j = 0; j < validKeys; j++) sum += weights[j] = Math.exp(weights[j]! - highest);
    for (let c = 0; c < channels; c++) {
      let value = 0;
      for (let j = 0; j < validKeys; j++) value += weights[j]! * values[j * channels + c]!;
      out[t * channels + c] = (value / sum) * (gate?.[t * channels + c] ?? 1);
    }
  }
  return out;
}
