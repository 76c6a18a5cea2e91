/**
 * Kernels chosen by measurement on the adapter at hand: measuring, storing, and what was found.
 * @module
 */
export { tuningStore } from '#tuning-store';
export { type Ceilings, measureCeilings } from './ceilings.js';
export type { Clock, TimedKernel } from './clock.js';
export { TuningError } from './error.js';
export type { TuningStore } from './store.js';
export { type AdapterIdentity, adapterIdentity, type TunedEntry, TuningTable, tableName } from './table.js';
export { type TunedShapeResult, type TuneOptions, type TuneProgress, type TuneResult, tune } from './tune.js';
export { type ObservedCall, Tuning, tuningOf } from './tuning.js';
