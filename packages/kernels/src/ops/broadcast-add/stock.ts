import { add, type Tensor } from '@tensorflow/tfjs-core';
import { stockActivation } from '../gemm/stock.js';
import type { BroadcastAddOptions } from './index.js';

/** The twin of `broadcastAdd`, from stock tfjs operations. */
export const stockBroadcastAdd = (x: Tensor, y: Tensor, { activation = 'none' }: BroadcastAddOptions = {}): Tensor =>
  stockActivation(add(x, y), activation);
