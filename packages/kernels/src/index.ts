/// <reference types="@webgpu/types" preserve="true" />
/**
 * Hand-written WGSL kernels on TensorFlow.js WebGPU tensors: operations, and what it takes to write more.
 * @module
 */
export * from './device/index.js';
export * from './dispatch/index.js';
export {
  type Captured,
  type CapturePool,
  type Engine,
  type EngineKind,
  registerEngine,
} from './engine.js';
export { convOutput, convPadding, type Padding } from './families/convolution.js';
export {
  attach,
  type InitializeOptions,
  initialize,
  type KernelOptions,
  RuntimeInUseError,
  shutdown,
} from './initialize.js';
export * from './op/index.js';
export * from './ops/index.js';
export type { TuningStore } from './tuning/index.js';
export { getEngine } from './webgpu-engine.js';
