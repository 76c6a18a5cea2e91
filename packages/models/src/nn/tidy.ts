import { dispose, type TensorContainer, tidy } from '@tensorflow/tfjs-core';

/** `tidy` for results that are objects with other things than tensors in them, which it keeps as they are. */
export const tidyAll = <T extends object>(work: () => T): T => tidy(work as () => TensorContainer) as T;

/** `tf.dispose` for values whose types are interfaces, or are missing. */
export const disposeAll = (...values: readonly (object | undefined)[]): void => dispose(values as TensorContainer);
