import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { anything, fields, float32, int32, number } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import columnsWgsl from './columns.wgsl';
import rowsWgsl from './rows.wgsl';

const filterRows = defineKernel({ name: 'filter-pixels/rows', template: rowsWgsl });
const filterColumns = defineKernel({ name: 'filter-pixels/columns', template: columnsWgsl });

/** Operands of `filterPixels`. */
export interface FilterPixelsOptions {
  /** Size and channels of the picture: grey, RGB or RGBA. */
  input: { height: number; width: number; channels: 1 | 3 | 4 };
  /**
   * What an output column is made of, int32 [width, 2 + taps]: the first source column, how many of them, and their weights,
   * which are integers of 2^-22 and sum to at most 1.
   */
  columns: Tensor;
  /** The same for output rows, int32 [height, 2 + taps]. */
  rows: Tensor;
  /** What becomes of the bytes of red, green and blue, float32 [3, 256]. */
  table: Tensor;
  /** Channels of the result; a fourth one is zero. */
  channels: 3 | 4;
  /** Size of the result, filled up with zeros below and at the right; that of the filtered picture by default. */
  frame?: { height: number; width: number } | undefined;
}

/**
 * A network's input from 8-bit pixels: a separable filter, rows first, rounded to 8 bits after each direction, as Pillow resizes
 * (Pillow, `src/libImaging/Resample.c`); then a table, with which normalisation is exact.
 *
 * @param pixels int32 [words]: the picture's bytes, channels interleaved, filled up to whole words.
 * @returns float32 [frame.height, frame.width, channels].
 * @throws ShapeError when the operands do not fit together.
 */
export const filterPixels = defineOp({
  name: 'filter-pixels',
  takes: {
    pixels: int32,
    options: fields<FilterPixelsOptions>({
      input: anything,
      columns: int32,
      rows: int32,
      table: float32,
      channels: number,
      frame: anything,
    }),
  },
  kernels: [filterRows, filterColumns],
  run(call, pixels: Tensor, { input, columns, rows, table, channels, frame }: FilterPixelsOptions): Tensor {
    const words = Math.ceil((input.height * input.width * input.channels) / 4);
    if (pixels.size !== words) throw call.wrong(`pixels [${words}]`, { pixels });
    if (columns.rank !== 2 || rows.rank !== 2)
      throw call.wrong('columns and rows [outputs, 2 + taps]', { columns, rows });
    if (table.size !== 3 * 256) throw call.wrong('a table [3, 256]', { table });
    const [width, height] = [columns.shape[0]!, rows.shape[0]!];
    const { height: frameHeight, width: frameWidth } = frame ?? { height, width };
    if (frameHeight < height || frameWidth < width) {
      throw call.wrong(`a frame of at least ${height}x${width}`, { rows, columns });
    }
    const narrow = call.allocate([input.height, width], 'int32');
    call.launch(filterRows, {
      params: { CHANNELS: input.channels },
      tensors: { pixels, columns, out: narrow },
      uniforms: { inWidth: input.width, height: input.height, width, taps: columns.shape[1]! - 2 },
      invocations: input.height * width,
    });
    const out = call.allocate([frameHeight, frameWidth, channels]);
    call.launch(filterColumns, {
      params: { CHANNELS: channels },
      tensors: { pixels: narrow, rows, table, out },
      uniforms: { width, height, frameWidth, frameHeight, taps: rows.shape[1]! - 2 },
      invocations: frameHeight * frameWidth,
    });
    narrow.dispose();
    return out;
  },
});
