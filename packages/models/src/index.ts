/**
 * DeAOT, Segment Anything, SAM 2.1 and Grounding DINO on the kernels: networks, trackers, predictors, checkpoints.
 * @module
 */
export * from './checkpoint/index.js';
export * from './deaot/index.js';
export * from './grounding-dino/index.js';
export * from './image/index.js';
export * from './masks/index.js';
export * from './propagation/index.js';
export * from './sam/index.js';
export * from './sam-small/index.js';
export * from './sam2/index.js';
export * from './tracking/index.js';
