import type { OpSet } from '@samtrack/kernels';
import type { WeightReader } from '../checkpoint/index.js';

/** Where layers come from: the weights that they read, which own their tensors, and the operations that they run on. */
export interface LayerSource {
  readonly weights: WeightReader;
  readonly ops: OpSet;
}
