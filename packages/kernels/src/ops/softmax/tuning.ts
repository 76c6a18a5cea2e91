import type { TunedOp } from '../../tuning/tuned-op.js';
import rowsWgsl from './rows.wgsl';
import { type SoftmaxVariant, selectSoftmax, supportedSoftmaxVariants } from './select.js';

interface TunedSoftmaxShape {
  rows: number;
  columns: number;
}

export const tunedSoftmax: TunedOp<TunedSoftmaxShape, SoftmaxVariant> = {
  name: 'softmax',
  sources: [rowsWgsl],
  variants: (_, adapter) => supportedSoftmaxVariants(adapter),
  select: (_, adapter) => selectSoftmax(adapter),
  work: ({ rows, columns }) => ({ flops: 5 * rows * columns, bytes: 8 * rows * columns }),
};
