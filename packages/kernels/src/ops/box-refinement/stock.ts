import { add, clipByValue, div, log, maximum, sigmoid, sub, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { RefineBoxesOptions } from './index.js';

/** The unfused twin of `refineBoxes`, from stock tfjs operations. */
export function stockRefineBoxes(delta: Tensor, boxes: Tensor, { eps = 1e-3 }: RefineBoxesOptions = {}): Tensor {
  return tidy(() => {
    const inside = clipByValue(boxes, 0, 1);
    return sigmoid(add(delta, log(div(maximum(inside, eps), maximum(sub(1, inside), eps)))));
  });
}
