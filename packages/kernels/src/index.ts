/// <reference types="@webgpu/types" preserve="true" />
export * from './device/index.js';
export { type InitializeOptions, initialize, shutdown } from './device/initialize.js';
export * from './dispatch/index.js';
export * from './ops/index.js';
export * from './tuning/index.js';
