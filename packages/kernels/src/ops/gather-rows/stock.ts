import { add, cast, concat, gather, reshape, type Tensor, zeros } from '@tensorflow/tfjs-core';

/** The twin of `gatherRows`, from stock tfjs operations: what is none is a row before all others. */
export function stockGatherRows(x: Tensor, rows: Tensor, fill?: Tensor): Tensor {
  const first = fill ? reshape(fill, [1, -1]) : zeros([1, x.shape[1]!]);
  return gather(concat([first, x]), cast(add(rows, 1), 'int32'));
}
