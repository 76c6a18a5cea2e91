/** Zero padding on every side; `[top, left, bottom, right]` where they differ. */
export type Padding = number | readonly [top: number, left: number, bottom: number, right: number];

/** Output length of a convolution along one axis. */
export const convOutput = (input: number, kernel: number, stride: number, dilation: number, padding: number): number =>
  Math.floor((input + padding - dilation * (kernel - 1) - 1) / stride) + 1;

/** Padding of the four sides. */
export const convPadding = (padding: Padding = 0): readonly [number, number, number, number] =>
  typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
