export * from './assist/index.js';
export * from './io/index.js';
export * from './metrics/index.js';
export * from './session/index.js';
export * from './tracking/index.js';
