/** Distance of two outputs of a bilinear resize in the input, as PyTorch computes it in single precision. */
export const resizeScale = (input: number, output: number, alignCorners: boolean): number =>
  alignCorners ? (output > 1 ? Math.fround((input - 1) / (output - 1)) : 0) : Math.fround(input / output);
