/** How PyTorch stores weights, and how the operations want them. */

/**
 * PyTorch's [out, in] as [in, columns]: rows `first` to `first + count` of the source, zero columns after them.
 *
 * @param source Flat [*, inputs].
 */
export function transposeLinear(
  source: Float32Array,
  inputs: number,
  first: number,
  count: number,
  columns = count,
): Float32Array {
  const out = new Float32Array(inputs * columns);
  for (let o = 0; o < count; o++) {
    for (let i = 0; i < inputs; i++) out[i * columns + o] = source[(first + o) * inputs + i]!;
  }
  return out;
}

/** PyTorch's convolution weight [out, in, kh, kw] as [kh, kw, paddedIn, out]; the added input channels have zero weights. */
export function convLayout(
  source: Float32Array,
  [outputs, inputs, kernelHeight, kernelWidth]: readonly [number, number, number, number],
  paddedInputs = inputs,
): Float32Array {
  const out = new Float32Array(kernelHeight * kernelWidth * paddedInputs * outputs);
  const taps = kernelHeight * kernelWidth;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let tap = 0; tap < taps; tap++) {
        out[(tap * paddedInputs + i) * outputs + o] = source[(o * inputs + i) * taps + tap]!;
      }
    }
  }
  return out;
}
