/** Plain-loop twin of `idEmbedding` in float64: builds the one-hot value of every tap. Kernel [k, k, classes, C], flat. */
export function idEmbeddingReference(
  labels: ArrayLike<number>,
  kernel: ArrayLike<number>,
  bias: ArrayLike<number>,
  shape: {
    labelHeight: number;
    labelWidth: number;
    height: number;
    width: number;
    kernelSize: number;
    classes: number;
    stride: number;
    padding: number;
    firstId: number;
  },
): Float64Array {
  const { labelHeight, labelWidth, height, width, kernelSize, classes, stride, padding, firstId } = shape;
  const channels = bias.length;
  const outHeight = Math.floor((height + 2 * padding - kernelSize) / stride) + 1;
  const outWidth = Math.floor((width + 2 * padding - kernelSize) / stride) + 1;
  const out = new Float64Array(outHeight * outWidth * channels);
  for (let position = 0; position < outHeight * outWidth; position++) {
    const sum = Float64Array.from(bias);
    for (let tap = 0; tap < kernelSize * kernelSize; tap++) {
      const y = Math.floor(position / outWidth) * stride - padding + Math.floor(tap / kernelSize);
      const x = (position % outWidth) * stride - padding + (tap % kernelSize);
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      const label = labels[Math.floor((y * labelHeight) / height) * labelWidth + Math.floor((x * labelWidth) / width)]!;
      const local = label - firstId + 1;
      const id = local > 0 && local < classes ? local : 0;
      for (let c = 0; c < channels; c++) sum[c]! += kernel[(tap * classes + id) * channels + c]!;
    }
    out.set(sum, position * channels);
  }
  return out;
}
