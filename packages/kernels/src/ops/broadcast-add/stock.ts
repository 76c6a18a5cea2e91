import { add, type Tensor } from '@tensorflow/tfjs-core';

/** The twin of `broadcastAdd`, from stock tfjs operations. */
export const stockBroadcastAdd = (x: Tensor, y: Tensor): Tensor => add(x, y);
