/** Plain-loop twin of `labelPropagation` in float64. Keys [T, depth] and labels [T, channels], flat. */
export function labelPropagationReference(
  query: ArrayLike<number>,
  frames: readonly { key: ArrayLike<number>; labels: ArrayLike<number>; radius: number }[],
  shape: { height: number; width: number; depth: number; channels: number; temperature: number; topK: number },
): Float64Array {
  const { height, width, depth, channels, temperature, topK } = shape;
  const out = new Float64Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const token = y * width + x;
      const found: { score: number; labels: ArrayLike<number>; position: number }[] = [];
      for (const { key, labels, radius } of frames) {
        for (let my = Math.max(0, y - radius); my <= Math.min(height - 1, y + radius); my++) {
          for (let mx = Math.max(0, x - radius); mx <= Math.min(width - 1, x + radius); mx++) {
            const position = my * width + mx;
            let score = 0;
            for (let d = 0; d < depth; d++) score += query[token * depth + d]! * key[position * depth + d]!;
            found.push({ score, labels, position });
          }
        }
      }
      // A stable sort: ties stay in the order of frames and positions.
      const best = found.sort((a, b) => b.score - a.score).slice(0, topK);
      const weights = best.map(({ score }) => Math.exp((score - best[0]!.score) / temperature));
      const sum = weights.reduce((a, b) => a + b);
      for (let c = 0; c < channels; c++) {
        best.forEach(({ labels, position }, i) => {
          out[token * channels + c]! += (weights[i]! / sum) * labels[position * channels + c]!;
        });
      }
    }
  }
  return out;
}
