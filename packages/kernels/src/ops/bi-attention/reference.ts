const HEADS = 4;

/** exp(x - max) / sum over one of the axes of a list. */
function softmax(scores: readonly number[]): number[] {
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/** Plain-loop twin of `biAttention` in float64: the image's result, then the text's; operands are flat row-major arrays. */
export function biAttentionReference(
  operands: {
    image: ArrayLike<number>;
    keys: ArrayLike<number>;
    keyBias: ArrayLike<number>;
    values: ArrayLike<number>;
    bias?: ArrayLike<number>;
    residual?: ArrayLike<number>;
  },
  { tokens, channels, width }: { tokens: number; channels: number; width: number },
): [image: Float64Array, text: Float64Array] {
  const { image, keys, keyBias, values, bias, residual } = operands;
  const columns = keyBias.length;
  const scores = new Float64Array(tokens * columns);
  for (let i = 0; i < tokens; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = keyBias[j]!;
      for (let c = 0; c < channels; c++) sum += image[i * channels + c]! * keys[c * columns + j]!;
      scores[i * columns + j] = sum;
    }
  }
  const imageOut = Float64Array.from(
    { length: tokens * width },
    (_, i) => (bias?.[i % width] ?? 0) + (residual?.[i] ?? 0),
  );
  for (let i = 0; i < tokens; i++) {
    for (let head = 0; head < HEADS; head++) {
      const weights = softmax(
        Array.from({ length: columns / HEADS }, (_, t) => scores[i * columns + t * HEADS + head]!),
      );
      for (const [t, weight] of weights.entries()) {
        for (let d = 0; d < width; d++) imageOut[i * width + d]! += weight * values[(t * HEADS + head) * width + d]!;
      }
    }
  }
  const textOut = new Float64Array(columns * channels);
  for (let j = 0; j < columns; j++) {
    const weights = softmax(Array.from({ length: tokens }, (_, i) => scores[i * columns + j]!));
    for (const [i, weight] of weights.entries()) {
      for (let c = 0; c < channels; c++) textOut[j * channels + c]! += weight * image[i * channels + c]!;
    }
  }
  return [imageOut, textOut];
}
