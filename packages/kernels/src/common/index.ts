/**
 * What several packages need and no GPU: a hash, random numbers, the error of a result, work in order.
 * @module
 */
export { fnv1a, fnv1aText } from './fnv1a.js';
export { normalisedError } from './normalised-error.js';
export { SerialQueue } from './serial-queue.js';
export { xorshift32 } from './xorshift32.js';
