import { type FrameOps, ShapeError } from '@samtrack/kernels';
import type { Host } from '../host.js';
import type { OnnxTrace } from '../trace.js';

/** `copyBlock`: row by row, in place. */
export const copyBlock =
  (host: Host): FrameOps['copyBlock'] =>
  (x, target, at = {}, block = {}) => {
    const [height, width] = x.shape as [number, number];
    const [targetHeight, targetWidth] = target.shape as [number, number];
    const { row = 0, column = 0 } = block;
    const { rows = height - row, columns = width - column } = block;
    const { row: targetRow = 0, column: targetColumn = 0 } = at;
    const fits = row + rows <= height && column + columns <= width;
    const targetFits = targetRow + rows <= targetHeight && targetColumn + columns <= targetWidth;
    if (x.rank !== 2 || target.rank !== 2 || !fits || !targetFits) {
      throw new ShapeError('copyBlock', `room for [${rows}, ${columns}]`, { x, target });
    }
    return host.into([x], target, ([source], out) => {
      if (columns === width && columns === targetWidth) {
        out.set(source!.subarray(row * width, (row + rows) * width), targetRow * width);
        return;
      }
      for (let i = 0; i < rows; i++) {
        const first = (row + i) * width + column;
        out.set(source!.subarray(first, first + columns), (targetRow + i) * targetWidth + targetColumn);
      }
    });
  };

/** `transpose`: a node of the graph, or in place into columns of an existing tensor. */
export const transpose = (host: Host, trace: OnnxTrace): FrameOps['transpose'] => {
  return (x, { columns, padded, into } = {}) => {
    const [rows, stride] = x.shape as [number, number];
    const [first, count] = columns ?? [0, stride];
    if (!into) {
      const source = trace.slice(trace.rows(x), columns, 1);
      const name = trace.graph.node('Transpose', [source.name], { perm: [1, 0] });
      // The padding is for the kernels only.
      const width = padded ? Math.ceil(rows / 4) * 4 : rows;
      return trace.tensor([count, width], { name, layout: 'rows', shape: [count, rows] });
    }
    const [outRows, outStride] = into.tensor.shape as [number, number];
    if (x.rank !== 2 || first + count > stride || outRows !== count || into.column + rows > outStride) {
      throw new ShapeError('transpose', `a target of [${count}, >= ${into.column + rows}]`, { x, out: into.tensor });
    }
    return host.into([x], into.tensor, ([source], out) => {
      for (let c = 0; c < count; c++) {
        const target = c * outStride + into.column;
        for (let r = 0; r < rows; r++) out[target + r] = source![r * stride + first + c]!;
      }
    });
  };
};
