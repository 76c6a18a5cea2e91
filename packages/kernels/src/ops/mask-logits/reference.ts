/** Plain-loop twin of `maskLogits` in float64; operands are flat. */
export function maskLogitsReference(
  features: ArrayLike<number>,
  vectors: ArrayLike<number>,
  { batch, masks, channels, height, width }: Record<'batch' | 'masks' | 'channels' | 'height' | 'width', number>,
): Float64Array {
  const out = new Float64Array(batch * masks * 16 * height * width);
  for (let i = 0; i < out.length; i++) {
    const x = i % (4 * width);
    const y = Math.floor(i / (4 * width)) % (4 * height);
    const mask = Math.floor(i / (16 * height * width));
    const image = Math.floor(mask / masks);
    const cell = (image * height + (y >> 2)) * width + (x >> 2);
    const pixel = (cell * 4 + ((y >> 1) & 1) * 2 + ((x >> 1) & 1)) * 4 + (y & 1) * 2 + (x & 1);
    for (let c = 0; c < channels; c++) out[i]! += features[pixel * channels + c]! * vectors[mask * channels + c]!;
  }
  return out;
}
