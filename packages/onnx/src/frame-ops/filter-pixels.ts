import { type FrameOps, ShapeError } from '@samtrack/kernels';
import type { Host } from '../host.js';
import type { Values } from '../tensors.js';

/** Half of the unit of the weights, 2^-22, for rounding. */
const HALF = 1 << 21;

const byteOf = (sum: number): number => Math.min(Math.max((sum + HALF) >> 22, 0), 255);

/** `filterPixels`: rows first, rounded to 8 bits after each direction; the result as planes of three channels. */
export const filterPixels =
  (host: Host): FrameOps['filterPixels'] =>
  (pixels, { input, columns, rows, table, channels, frame }) => {
    const words = Math.ceil((input.height * input.width * input.channels) / 4);
    if (pixels.dtype !== 'int32' || pixels.size !== words) {
      throw new ShapeError('filterPixels', `pixels int32 [${words}]`, { pixels });
    }
    if (columns.rank !== 2 || rows.rank !== 2 || columns.dtype !== 'int32' || rows.dtype !== 'int32') {
      throw new ShapeError('filterPixels', 'columns and rows int32 [outputs, 2 + taps]', { columns, rows });
    }
    if (table.size !== 3 * 256) throw new ShapeError('filterPixels', 'a table [3, 256]', { table });
    const [width, height] = [columns.shape[0]!, rows.shape[0]!];
    const size = frame ?? { height, width };
    if (size.height < height || size.width < width) {
      throw new ShapeError('filterPixels', `a frame of at least ${height}x${width}`, { rows, columns });
    }
    const shape = [size.height, size.width, channels];
    const layout = { layout: 'image', shape: [1, 3, size.height, size.width] } as const;
    const [out] = host.host([pixels, columns, rows, table], [{ shape, layout }], (operands, [target]) => {
      const [packed, columnTaps, rowTaps, values] = operands as [Values, Values, Values, Values];
      const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
      target!.fill(0);
      const narrow = new Uint8Array(input.height * width);
      for (let c = 0; c < 3; c++) {
        const channel = input.channels === 1 ? 0 : c;
        if (c === 0 || input.channels > 1) narrowRows(bytes, input, channel, columnTaps, width, narrow);
        const stride = rowTaps.length / height;
        const sums = new Int32Array(width);
        for (let y = 0; y < height; y++) {
          sums.fill(0);
          const at = y * stride;
          const [first, count] = [rowTaps[at]!, rowTaps[at + 1]!];
          for (let k = 0; k < count; k++) {
            const weight = rowTaps[at + 2 + k]!;
            const source = (first + k) * width;
            for (let x = 0; x < width; x++) sums[x]! += weight * narrow[source + x]!;
          }
          const row = (c * size.height + y) * size.width;
          for (let x = 0; x < width; x++) target![row + x] = values[c * 256 + byteOf(sums[x]!)]!;
        }
      }
    });
    return out!;
  };

function narrowRows(
  bytes: Uint8Array,
  { height, width: inWidth, channels }: { height: number; width: number; channels: number },
  channel: number,
  taps: Values,
  width: number,
  narrow: Uint8Array,
): void {
  const stride = taps.length / width;
  for (let y = 0; y < height; y++) {
    const row = y * inWidth * channels + channel;
    for (let x = 0; x < width; x++) {
      const at = x * stride;
      const [first, count] = [taps[at]!, taps[at + 1]!];
      let sum = 0;
      for (let k = 0; k < count; k++) sum += taps[at + 2 + k]! * bytes[row + (first + k) * channels]!;
      narrow[y * width + x] = byteOf(sum);
    }
  }
}
