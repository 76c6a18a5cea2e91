export * from './assist/index.js';
export * from './discovery/index.js';
export * from './export/index.js';
export * from './io/index.js';
export * from './metrics/index.js';
export * from './modes/index.js';
export * from './session/index.js';
export * from './tracking/index.js';
