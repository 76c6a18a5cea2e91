import type { CaseTensor } from '../case.js';
import type { FilterPixelsOptions } from './index.js';

/** Sum of `count` samples with weights of 2^-22, rounded and cut to a byte. */
function filtered(taps: CaseTensor, output: number, sample: (i: number) => number): number {
  const stride = taps.shape[1]!;
  const [first, count] = [taps.values[output * stride]!, taps.values[output * stride + 1]!];
  let sum = 0;
  for (let k = 0; k < count; k++) sum += taps.values[output * stride + 2 + k]! * sample(first + k);
  return Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22 + 0.5)));
}

/** Plain-loop twin of `filterPixels`, from its definition. */
export function filterPixelsReference(
  operands: Record<'pixels' | 'columns' | 'rows' | 'table', CaseTensor>,
  { input, channels, frame }: Pick<FilterPixelsOptions, 'input' | 'channels' | 'frame'>,
): Float64Array {
  const { pixels, columns, rows, table } = operands;
  const bytes = new Uint8Array((pixels.values as Int32Array).buffer);
  const [width, height] = [columns.shape[0]!, rows.shape[0]!];
  const size = frame ?? { height, width };
  const out = new Float64Array(size.height * size.width * channels);
  for (let c = 0; c < 3; c++) {
    const source = (y: number, x: number) =>
      bytes[(y * input.width + x) * input.channels + (input.channels === 1 ? 0 : c)]!;
    for (let x = 0; x < width; x++) {
      const column = Array.from({ length: input.height }, (_, y) => filtered(columns, x, (i) => source(y, i)));
      for (let y = 0; y < height; y++) {
        const byte = filtered(rows, y, (i) => column[i]!);
        out[(y * size.width + x) * channels + c] = table.values[c * 256 + byte]!;
      }
    }
  }
  return out;
}
